"""Which levers of speed the trainer will use on a card, and what that means for what blocks keep."""

from enum import StrEnum

from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.fast.levers import Arithmetic, Levers, Place, levers
from vlatrain.planning.cards import Card


class Way(StrEnum):
    """How blocks compute, which decides what they keep for their backward pass."""

    MIXED = "mixed"
    """Under autocast"""
    FP32 = "fp32"
    FUSED = "fused"
    """Adapters in the base's own arithmetic"""
    COMPILED = "compiled"
    """That, by one program for a block"""


class Launching(StrEnum):
    """How the kernels of a pass are launched, which decides what waiting costs."""

    SINGLE = "single"
    """One by one, as torch does by itself"""
    COMPILED = "compiled"
    """One by one, fewer: blocks are compiled"""
    REPLAYED = "replayed"
    """All of a pass at once, as a graph of compiled blocks"""


def used_on(card: Card, config: FinetuneConfig, precision: Precision, nproc: int) -> Levers:
    """What the trainer will choose. Raises ConfigError for a lever that is asked for and cannot be had."""
    newest, oldest = (9, 0), (7, 0)  # what matters here is that cards without bf16 are too old
    capability = newest if card.has_bf16 else oldest
    return levers(config, Place(arithmetic=Arithmetic(precision.value), capability=capability, world_size=nproc))


def way_of(used: Levers, precision: Precision) -> Way:
    """The way of a run with these levers."""
    if used.fused_lora:
        return Way.COMPILED if used.compile else Way.FUSED
    return Way.FP32 if precision is Precision.FP32 else Way.MIXED


def launching_of(used: Levers) -> Launching:
    """How a run with these levers launches."""
    if not used.compile:
        return Launching.SINGLE
    return Launching.REPLAYED if used.cuda_graph else Launching.COMPILED
