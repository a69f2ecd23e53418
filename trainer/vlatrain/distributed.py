"""The ranks of one run and what they tell each other: exact sums, flags, and a board that waits without time-outs."""

import datetime
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore, ProcessGroup, Store
from torch.distributed.rendezvous import rendezvous

NO_TIMEOUT = datetime.timedelta(days=365)
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among its fellows. Its messages go through the CPU, so that they never wait for a GPU."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    store: Store = field(default_factory=HashStore)
    group: ProcessGroup | None = None  # on gloo; None for a run of one rank

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Everybody's numbers, by rank: summed in this order they give the same bits on every rank and in every run."""
        own = torch.tensor(list(numbers), dtype=torch.float64)
        return [part.tolist() for part in self.gather_tensors(own)]

    def gather_tensors(self, own: torch.Tensor) -> list[torch.Tensor]:
        """Everybody's tensor on the CPU, by rank; of one shape and type on all of them."""
        if self.group is None:
            return [own]
        parts = [torch.empty_like(own) for _ in range(self.world_size)]
        dist.all_gather(parts, own.contiguous(), group=self.group)
        return parts

    def any_of(self, flags: Sequence[bool]) -> list[bool]:
        """For each flag, whether any rank raises it."""
        if self.group is None:
            return list(flags)
        raised = torch.tensor(list(flags), dtype=torch.uint8)
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self.group)
        return [bool(flag) for flag in raised.tolist()]

    def add_up(self, counts: torch.Tensor) -> torch.Tensor:
        """Sum of everybody's integer tensor."""
        if self.group is not None:
            dist.all_reduce(counts, group=self.group)
        return counts

    def gather_objects(self, own: object) -> list[Any]:
        """Everybody's object, by rank, on the first rank; an empty list elsewhere."""
        if self.group is None:
            return [own]
        parts: list[Any] = [None] * self.world_size if self.is_first else []
        dist.gather_object(own, parts if self.is_first else None, group=self.group)
        return parts

    def wait_for_all(self) -> None:
        if self.group is not None:
            dist.barrier(group=self.group)


@dataclass(frozen=True, slots=True)
class Board:
    """Counters that all ranks see, under a name used once: for work that takes each rank its own time.

    Unlike a collective, looking at it never blocks, so that a long wait is neither a time-out nor deaf to a stop.
    """

    ranks: Ranks
    name: str

    def count(self, what: str, more: int = 0) -> int:
        """Adds `more` to a counter and returns it."""
        return int(self.ranks.store.add(f"vlatrain/{self.name}/{what}", more))

    def raise_flag(self, what: str) -> None:
        self.count(what, 1)

    def is_raised(self, what: str) -> bool:
        return self.count(what) > 0

    def arrivals(self) -> Iterator[int]:
        """Arrives, then yields how many ranks have, until all have."""
        arrived = self.count("arrived", 1)
        while arrived < self.ranks.world_size:
            yield arrived
            time.sleep(POLL_S)
            arrived = self.count("arrived")


@contextmanager
def joined(*, uses_cuda: bool) -> Iterator[Ranks]:
    """Joins the ranks that torchrun started; without torchrun this process is the only rank."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if world_size == 1:
        yield Ranks(local_rank=local_rank)
        return
    store, rank, _ = next(rendezvous("env://"))
    store.set_timeout(NO_TIMEOUT)
    _init_default_group(store, rank, world_size, local_rank, uses_cuda=uses_cuda)
    ranks = Ranks(rank, local_rank, world_size, store, dist.new_group(backend="gloo", timeout=NO_TIMEOUT))
    yield ranks
    ranks.wait_for_all()  # not after an error: the others may be anywhere
    dist.destroy_process_group()


def _init_default_group(store: Store, rank: int, world_size: int, local_rank: int, *, uses_cuda: bool) -> None:
    """The group of the gradients. The ranks meet on the CPU before each step: NCCL's own time-out only sees faults."""
    if uses_cuda:
        device = torch.device("cuda", local_rank)
        dist.init_process_group("nccl", store=store, rank=rank, world_size=world_size, device_id=device)
    else:
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size, timeout=NO_TIMEOUT)
