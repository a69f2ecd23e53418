"""The constants of the plan that were measured: read from measured.json, which benchmarks/calibrate_plan.py writes."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vlatrain.planning.sizes import BlockSize
from vlatrain.planning.used import Launching, Way

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
class Pace:
    """How fast a micro-batch is whose kernels are launched in one way: the longer of two times.

    Launching takes `launch_s` for each block forward and backward, and `again_s` for each that is computed again;
    replayed as a graph, what the least kernels take. The device achieves the share `achieved` of its stated rate, after
    it has waited for the share `unhidden` of the launching.
    """

    launch_s: float
    again_s: float
    unhidden: float
    achieved: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one GPU said. `decoder` and `tower` are by the way that blocks compute, `paces` by how they are launched.

    The share `fragments` of all else is lost to fragments and workspaces; with passes as graphs `graph_fragments`.
    Compiled blocks over a base in fp8 achieve `fp8_achieved` (of the rate in 16 bits).
    """

    device: str
    torch: str
    decoder: dict[Way, Kept]
    tower: dict[Way, Kept]
    context_bytes: int
    fragments: float
    graph_fragments: float
    paces: dict[Launching, Pace]
    fp32_slower: float
    fp8_achieved: float


@cache
def measured() -> Measured:
    """The constants that ship."""
    told: dict[str, Any] = json.loads(FILE.read_text())
    for name in KINDS:
        told[name] = {Way(way): Kept(**kept) for way, kept in told[name].items()}
    told["paces"] = {Launching(way): Pace(**pace) for way, pace in told["paces"].items()}
    return Measured(**told)


KINDS = ("decoder", "tower")


def as_json(found: Measured) -> str:
    """The text of the file."""
    told: dict[str, Any] = {name: getattr(found, name) for name in Measured.__slots__}
    for name in (*KINDS, "paces"):
        told[name] = {way.value: asdict(constants) for way, constants in told[name].items()}
    return json.dumps(told, indent=1) + "\n"
