"""The settings that decide how fast a step is: levers that can each be switched off. Loads no torch."""

from dataclasses import dataclass
from enum import StrEnum

from vlatrain.configuration.checks import at_least, one_of
from vlatrain.configuration.option import option

CARD_TIMES_WEIGHTS = 8
LEVERS = ("fused_lora", "compile", "cuda_graph", "grouped_lora", "joint_gradients", "fp8_kernels", "answer_kernels")


class Switch(StrEnum):
    """auto uses a lever wherever it can be used, and says where it cannot; on refuses to train without it."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class BasePrecision(StrEnum):
    """How the frozen weights of the decoder are kept: bf16 means as `precision` says."""

    BF16 = "bf16"
    FP8 = "fp8"
    NF4 = "nf4"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speed: each lever is used where card and settings allow it; off trains by the plain path."""

    fused_lora: Switch = option(Switch.AUTO, "adapters in the base model's own arithmetic, without autocast")
    compile: Switch = option(Switch.AUTO, "compile the blocks of towers and decoder; half a minute more to start")
    cuda_graph: Switch = option(Switch.AUTO, "replay a pass as one CUDA graph, and an answer of the policy too")
    grouped_lora: Switch = option(
        Switch.AUTO, "adapters of one input as further columns of the frozen weights: fewer, wider products"
    )
    joint_gradients: Switch = option(
        Switch.AUTO,
        "with grouped_lora: gradients of gate, up, queries, keys and values by kernels that read their inputs once",
    )
    fp8_kernels: Switch = option(
        Switch.AUTO, "over an fp8 base, with grouped_lora: its MLPs' activations and their gradients rounded by kernels"
    )
    answer_kernels: Switch = option(
        Switch.AUTO,
        "answers of the policy: to one row by kernels of our own; to many rows over an fp8 base by its products",
    )
    base_precision: BasePrecision = option(
        BasePrecision.BF16, "frozen decoder weights: as precision says (bf16), fp8 (Hopper, Ada) or nf4 (4 bits)"
    )

    profile_steps: int = option(
        0, "after the first ten steps, tell in the log where the time of so many goes; 0: do not"
    )

    def check_speed(self) -> None:
        at_least(self, 0, "profile_steps")
        for name in LEVERS:
            one_of(self, Switch, name)
        one_of(self, BasePrecision, "base_precision")


def keeps_transposes(weights: int, card_bytes: int) -> bool:
    """Whether so many weights in fp8 are kept a second time, transposed: on cards of eight times their size.

    `vlad plan` must know it as well as the trainer.
    """
    return card_bytes >= CARD_TIMES_WEIGHTS * weights
