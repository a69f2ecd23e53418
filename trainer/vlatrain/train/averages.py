"""Running means of loss, accuracy and error between two logged steps, exact over ranks and over a resume."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vlatrain.distributed import Ranks
from vlatrain.errors import TrainingError

NAMES = ("loss", "action_accuracy", "l1_loss")
PROPRIO = "proprio_loss"


@dataclass(frozen=True, slots=True)
class Taken:
    """Sums on their way from the device to the host; `is_here` comes behind them, None where they are here."""

    sums: Tensor
    count: int
    names: tuple[str, ...] = NAMES
    is_here: torch.cuda.Event | None = None

    def wait(self) -> None:
        """Until the sums are here, and with them all that the device was given before."""
        if self.is_here is not None:
            self.is_here.synchronize()

    def means(self, ranks: Ranks, step: int) -> dict[str, float]:
        """The means over all ranks, by name; waits for the sums. Collective.

        Raises TrainingError for a loss that is NaN or infinite.
        """
        self.wait()
        gathered = ranks.gather(self.sums.tolist())
        check_finite([sum(rank_sums) for rank_sums in gathered], step)
        total = self.count * ranks.world_size
        return {name: sum(column) / total for name, column in zip(self.names, zip(*gathered, strict=True), strict=True)}


@dataclass(slots=True)
class Averages:
    """Sums on the device; reading them waits for it, so that happens only when they are logged or saved."""

    device: torch.device
    names: tuple[str, ...] = NAMES
    count: int = 0
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.sums = torch.zeros(len(self.names), dtype=torch.float64, device=self.device)

    def add(self, *numbers: Tensor) -> None:
        """Those of one micro-batch, by `names`. To be counted besides: a captured pass adds without being called."""
        self.sums += torch.stack([number.detach() for number in numbers]).to(torch.float64)

    def count_one(self) -> None:
        self.count += 1

    def taken(self) -> Taken:
        """The sums so far, copied without waiting for the device; they begin anew."""
        is_here = None
        sums = torch.empty_like(self.sums, device="cpu", pin_memory=self.sums.is_cuda)
        sums.copy_(self.sums, non_blocking=True)
        if self.sums.is_cuda:
            is_here = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's gap
            is_here.record()
        taken = Taken(sums, self.count, self.names, is_here)
        self.clear()
        return taken

    def check(self, ranks: Ranks, step: int) -> None:
        """Raises TrainingError where any loss since the last log was no number. Collective."""
        check_finite([sum(rank_sums) for rank_sums in ranks.gather(self.sums.tolist())], step)

    def clear(self) -> None:
        self.sums.zero_()
        self.count = 0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums.tolist(), "count": self.count}

    def load_states(self, states: Sequence[dict[str, Any]], ranks: Ranks) -> None:
        """Goes on from what every rank had saved; another number of ranks shares the same means.

        Where other numbers were averaged than here they begin anew.
        """
        if len(states[0]["sums"]) != len(self.names):
            return
        if len(states) == ranks.world_size:
            sums = states[ranks.rank]["sums"]
        else:
            sums = [sum(column) / len(states) for column in zip(*(state["sums"] for state in states), strict=True)]
        self.count = states[0]["count"]
        self.sums.copy_(torch.tensor(sums, dtype=torch.float64))


def check_finite(losses: Sequence[float], step: int) -> None:
    """Raises TrainingError naming the first rank of which any loss, and with it their sum, is no number."""
    for rank, loss in enumerate(losses):
        if not math.isfinite(loss):
            raise TrainingError(
                f"loss is {loss} at step {step} on rank {rank}: no checkpoint was written from it; "
                "lower learning_rate, set max_grad_norm, or check the data and the base model"
            )
