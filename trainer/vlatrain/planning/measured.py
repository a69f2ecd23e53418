"""The constants of the plan that were measured: read from measured.json, which benchmarks/calibrate_plan.py writes."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vlatrain.planning.sizes import BlockSize
from vlatrain.planning.used import Way

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class Kept:
    """Values that a block keeps a place for its backward pass: multiples of its width, inner width and the rank."""

    width: float
    inner: float
    rank: float

    def values(self, block: BlockSize, rank: int) -> float:
        return self.width * block.width + self.inner * block.inner + self.rank * rank


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one GPU said. `decoder` and `tower` are by the way that blocks compute.

    The share `fragments` of all else is lost to fragments and workspaces; with passes as graphs `graph_fragments`.

    A micro-batch takes the longer of two times: the host's, which launches kernels (`launch_s` for each block forward
    and backward, `again_s` for each that is computed again), and the device's, which achieves the share `achieved` of
    its stated rate after waiting for the share `unhidden` of the host's time. Passes replayed as graphs wait for no
    host: they achieve `graph_achieved`, with a base in fp8 `fp8_achieved` (of the rate in 16 bits).
    """

    device: str
    torch: str
    decoder: dict[Way, Kept]
    tower: dict[Way, Kept]
    context_bytes: int
    fragments: float
    graph_fragments: float
    launch_s: float
    again_s: float
    unhidden: float
    achieved: float
    fp32_slower: float
    graph_achieved: float
    fp8_achieved: float


@cache
def measured() -> Measured:
    """The constants that ship."""
    told: dict[str, Any] = json.loads(FILE.read_text())
    for name in KINDS:
        told[name] = {Way(way): Kept(**kept) for way, kept in told[name].items()}
    return Measured(**told)


KINDS = ("decoder", "tower")


def as_json(found: Measured) -> str:
    """The text of the file."""
    told: dict[str, Any] = {name: getattr(found, name) for name in Measured.__slots__}
    for name in KINDS:
        told[name] = {
            way.value: {one: getattr(kept, one) for one in Kept.__slots__} for way, kept in told[name].items()
        }
    return json.dumps(told, indent=1) + "\n"
