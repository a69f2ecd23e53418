"""Parts of a measurement one after the other, in so much time; what was measured is never lost."""

import json
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

Note = Callable[[dict[str, Any]], None]
"""Keeps one row of what was measured: written to the disk at once."""
SPARE_S = 10
"""Kept for the end; where even a cut does not help, the process ends itself this much later."""


@dataclass(frozen=True)
class Part:
    """`most_s` is about how long it takes on an H200 with nothing compiled yet; `measure` is told what it may take.

    With fewer than `gpus` GPUs it is done only if it is asked for by name.
    """

    most_s: int
    measure: Callable[[Note, float], None]
    gpus: int = 1


class OutOfTime(Exception):
    """A part took longer than there is time."""


class Results:
    """What has been measured, on the disk after each row.

    What a file of the same machine, versions and commit holds already stays, part by part, until a part is measured
    again: one result may come of several calls.
    """

    def __init__(self, out: Path, machine: dict[str, Any]) -> None:
        self._out = out
        self._found: dict[str, Any] = {"machine": machine, "parts": {}, "not_measured": {}}
        self._is_new: set[str] = set()
        """Parts of which this call has a row"""
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists() and is_same(known := json.loads(out.read_text()), machine):
            self._found |= {"parts": known["parts"], "not_measured": known["not_measured"]}

    def note(self, part: str, row: dict[str, Any]) -> None:
        if part not in self._is_new:
            self._is_new.add(part)
            self._found["parts"][part] = []
            self._found["not_measured"].pop(part, None)
        self._found["parts"][part].append(row)
        self._write()

    def not_measured(self, part: str, why: str) -> None:
        print(f"[{part}: {why}]", flush=True)
        if part in self._is_new or part not in self._found["parts"]:
            self._found["not_measured"][part] = why
        self._write()

    def _write(self) -> None:
        aside = self._out.with_suffix(".part")
        aside.write_text(json.dumps(self._found, indent=1) + "\n")
        aside.replace(self._out)


def is_same(known: dict[str, Any], machine: dict[str, Any]) -> bool:
    """Whether a result is of this machine as it is now; the moment does not count."""
    return {**known["machine"], "at": None} == {**machine, "at": None}


def measure(name: str, part: Part, results: Results, until: float, *, takes_any: bool) -> None:
    """One part, where there is time for it; parts that were asked for by name begin in any case."""
    started = time.monotonic()
    left_s = until - SPARE_S - started
    if left_s < (1 if takes_any else part.most_s):
        results.not_measured(name, f"left out: takes about {part.most_s} s, and {left_s:.0f} s are left")
        return
    print(f"[{name}: {part.measure.__doc__}]", flush=True)
    try:
        with at_most(left_s):
            part.measure(lambda row: results.note(name, row), left_s)
    except OutOfTime:
        results.not_measured(name, f"cut off after {time.monotonic() - started:.0f} s")
    except Exception as error:  # whatever it is, the other parts are still to be measured
        traceback.print_exc()
        results.not_measured(name, f"failed: {type(error).__name__}: {str(error).splitlines()[:1]}")
    print(f"[{name} took {time.monotonic() - started:.0f} s]", flush=True)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in what runs longer, as soon as it is in Python."""

    def cut(_: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
