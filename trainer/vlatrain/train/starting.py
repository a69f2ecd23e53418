"""How long a start takes, part by part: from the birth of the process to the end of the first step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil
import torch
from vlad.records.progress import Phase

from vlatrain.train.reports import Reports

LIBRARIES = "Python and libraries"
FIRST_STEP = "the first step"


@dataclass(slots=True)
class Starting:
    """Each part is shown when it begins; all are told in one line of the log behind the first step."""

    reports: Reports
    clock: Callable[[], float] = time.time
    _parts: list[tuple[str, float]] = field(default_factory=list)
    """Names, and when each began"""
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._parts.append((LIBRARIES, psutil.Process().create_time()))

    def begins(self, part: str) -> None:
        """What came before it is done."""
        self._parts.append((part, self.clock()))
        self.reports.phase(Phase.LOADING, detail=part)

    def waits_for(self, part: str) -> None:
        """Something that tells its own progress comes before the first step."""
        if not self._is_over:
            self._parts.append((part, self.clock()))

    def first_step(self, step: int, *, is_compiled: bool) -> None:
        """To be called before every step; only the first one counts."""
        if self._is_over:
            self.reports.phase(Phase.TRAINING, step)
            return
        self._parts.append((FIRST_STEP, self.clock()))
        self.reports.phase(Phase.TRAINING, step, detail=f"{FIRST_STEP}, compiling" if is_compiled else FIRST_STEP)

    def is_done(self, device: torch.device) -> None:
        """To be called behind every step; waits for the device once, for the first one."""
        if self._is_over:
            return
        self._is_over = True
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.reports.started(durations(self._parts, self.clock()))


def durations(parts: Sequence[tuple[str, float]], end: float) -> list[tuple[str, float]]:
    """Names, and seconds of each, the parts being in turn."""
    ends = [began for _, began in parts[1:]] + [end]
    return [(name, over - began) for (name, began), over in zip(parts, ends, strict=True)]
