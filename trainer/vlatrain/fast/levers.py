"""Which levers a run uses: what the configuration asks for, less what card and settings forbid. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.configuration.speed import LEVERS, Switch
from vlatrain.errors import ConfigError

LEAST_TO_COMPILE = (7, 5)
RANK_STEP = 8
"""Ranks of grouped adapters are multiples of it: rows with further columns then begin at multiples of 16 bytes."""


class Arithmetic(StrEnum):
    """What passes compute in."""

    BF16 = "bf16"
    FP16 = "fp16"
    FP32 = "fp32"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a run trains: `capability` of the card is None on a CPU."""

    arithmetic: Arithmetic
    capability: tuple[int, int] | None = None
    has_triton: bool = True
    has_c_compiler: bool = True
    world_size: int = 1

    @property
    def has_gpu(self) -> bool:
        return self.capability is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Levers:
    """The levers in use, and for each other one the reason; one that the user has switched off needs none.

    `cuda_graph` is of passes; answers of the policy are captured more often, since ranks give them by themselves.
    """

    fused_lora: bool = False
    compile: bool = False
    cuda_graph: bool = False
    grouped_lora: bool = False
    joint_gradients: bool = False
    fp8_kernels: bool = False
    answer_kernels: bool = False
    captures_answers: bool = False
    reasons: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """One line for the log."""
        known = dict(self.reasons)
        told = [f"{name} {'on' if getattr(self, name) else 'off'}{_because(known.get(name))}" for name in LEVERS]
        return ", ".join(told)


PLAIN = Levers()


def levers(config: FinetuneConfig, place: Place) -> Levers:
    """Raises ConfigError for a lever that is asked for (on) and cannot be had."""
    used: dict[str, bool] = {}
    reasons = []
    for name in LEVERS:
        wish = getattr(config, name)
        reason = next(_obstacles(name, config, place, used), None)
        if wish is Switch.ON and reason:
            raise ConfigError(f"--{name} on: {reason}; set it auto or off", name)
        if wish is Switch.AUTO:
            reason = reason or _doubt(name, config, place)
        if wish is Switch.AUTO and reason:
            reasons.append((name, reason))
        used[name] = wish is not Switch.OFF and reason is None
    is_whole = place.has_gpu and not (config.sharding is Sharding.FULL and place.world_size > 1)
    captures_answers = is_whole and used["fused_lora"] and config.cuda_graph is not Switch.OFF
    return Levers(**used, captures_answers=captures_answers, reasons=tuple(reasons))


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _obstacles(name: str, config: FinetuneConfig, place: Place, used: dict[str, bool]) -> Iterator[str]:
    match name:
        case "fused_lora":
            yield from _against_fused_lora(config, place)
        case "compile":
            yield from _against_compile(config, place, used)
        case "cuda_graph":
            yield from _against_cuda_graph(config, place, used)
        case "grouped_lora":
            yield from _against_grouped_lora(config, used)
        case "joint_gradients":
            yield from _against_joint_gradients(place, used)
        case "fp8_kernels":
            yield from _against_fp8_kernels(config, place, used)
        case _:
            yield from _against_answer_kernels(config, place, used)


def _doubt(name: str, config: FinetuneConfig, place: Place) -> str | None:
    """What speaks against a lever unless it is asked for."""
    if name in ("compile", "cuda_graph") and config.deterministic:
        return "deterministic: kernels chosen by their speed are not the same in every process"
    if name == "cuda_graph" and place.world_size > 1:
        return "several ranks average while they compute; on takes graphs instead"
    if name == "grouped_lora" and config.has_fp8_base and (config.fp8_kernels is Switch.OFF or not place.has_triton):
        return "over a base in fp8 it gains nothing without fp8_kernels; on takes it"
    return None


def _against_fused_lora(config: FinetuneConfig, place: Place) -> Iterator[str]:
    if not config.use_lora:
        yield "all weights are trained"
    if config.has_nf4_base:
        yield "a base in 4 bits has adapters of its own"
    if config.lora_dropout > 0:
        yield "lora_dropout is not 0"
    if place.arithmetic is Arithmetic.FP16:
        yield "fp16 needs autocast"


def _against_compile(config: FinetuneConfig, place: Place, used: dict[str, bool]) -> Iterator[str]:
    if place.capability is None:
        yield "no GPU"
    elif place.capability < LEAST_TO_COMPILE:
        yield f"the card's compute capability is below {'.'.join(map(str, LEAST_TO_COMPILE))}"
    if not place.has_triton:
        yield "Triton is not installed"
    if not place.has_c_compiler:
        yield "there is no C compiler (gcc or clang)"
    if config.sharding is Sharding.FULL and place.world_size > 1:
        yield "the base model is spread over the ranks"
    if config.use_lora and not used["fused_lora"]:
        yield "fused_lora is off"


def _against_cuda_graph(config: FinetuneConfig, place: Place, used: dict[str, bool]) -> Iterator[str]:
    if not place.has_gpu:
        yield "no GPU"
    if config.sharding is Sharding.FULL and place.world_size > 1:
        yield "the base model is spread over the ranks"
    if config.activation_checkpointing is not Checkpointing.NONE:
        yield "activation_checkpointing is not none"
    if config.use_lora and not used["fused_lora"]:
        yield "fused_lora is off"
    if not config.use_lora and place.arithmetic is Arithmetic.FP16:
        yield "fp16 scales the loss of a whole model"


def _against_grouped_lora(config: FinetuneConfig, used: dict[str, bool]) -> Iterator[str]:
    if not used["fused_lora"]:
        yield "fused_lora is off"
    if not used["cuda_graph"]:
        yield "cuda_graph is off"
    if config.lora_rank % RANK_STEP:
        yield f"lora_rank is no multiple of {RANK_STEP}"


def _against_joint_gradients(place: Place, used: dict[str, bool]) -> Iterator[str]:
    if not used["grouped_lora"]:
        yield "grouped_lora is off"
    if not place.has_triton:
        yield "Triton is not installed"


def _against_fp8_kernels(config: FinetuneConfig, place: Place, used: dict[str, bool]) -> Iterator[str]:
    if not config.has_fp8_base:
        yield "the base is not in fp8"
    yield from _against_joint_gradients(place, used)


def _against_answer_kernels(config: FinetuneConfig, place: Place, used: dict[str, bool]) -> Iterator[str]:
    if not place.has_gpu:
        yield "no GPU"
    if not place.has_triton:
        yield "Triton is not installed"
    if config.cuda_graph is Switch.OFF or not used["fused_lora"]:
        yield "answers are not captured: cuda_graph or fused_lora is off"
    if config.sharding is Sharding.FULL and place.world_size > 1:
        yield "the base model is spread over the ranks"
