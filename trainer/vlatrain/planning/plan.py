"""The plan of a run on a card: memory by part, time, and what to change where it does not fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlatrain.configuration.checks import needs
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.configuration.preflight import check_combinations
from vlatrain.configuration.speed import BasePrecision
from vlatrain.errors import ConfigError
from vlatrain.planning.cards import Card
from vlatrain.planning.measured import Measured, measured
from vlatrain.planning.memory import Account, account, precision_on
from vlatrain.planning.sizes import Sizes
from vlatrain.planning.speed import Speed, speed


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration comes to on each of `nproc` cards; `frames` are those that may stay there."""

    config: FinetuneConfig
    card: Card
    nproc: int
    frames: int
    precision: str
    account: Account
    speed: Speed

    @property
    def fits(self) -> bool:
        return self.account.total_bytes <= self.card.memory_bytes


@dataclass(frozen=True, slots=True)
class Remedy:
    """Other values of some fields, or another number of processes, and the plan with them."""

    changes: tuple[str, ...]
    plan: Plan


def plan(
    config: FinetuneConfig, sizes: Sizes, card: Card, nproc: int, known: Measured | None = None, frames: int = 0
) -> Plan:
    """Predicts, from the constants that ship or from others; starts nothing.

    `frames` are those of the data set; they count where they are kept on the card.
    """
    known = known or measured()
    precision = precision_on(config, card)
    need = account(config, sizes, precision, nproc, known, card, frames)
    pace = speed(config, sizes, card, precision, nproc, known)
    return Plan(config, card, nproc, frames, precision.value, need, pace)


def check_possible(config: FinetuneConfig, card: Card) -> None:
    """Raises ConfigError for what a run with this configuration would refuse on this card."""
    check_combinations(config)
    has_precision = config.precision is not Precision.BF16 or card.has_bf16
    needs(config, "precision", has_precision, f"{card.name} has no bf16 arithmetic; take fp16 or auto")
    has_bits = not config.has_fp8_base or card.has_fp8
    needs(config, "base_precision", has_bits, f"{card.name} has no fp8 products; take bf16 or nf4")


def _is_possible(config: FinetuneConfig, card: Card) -> bool:
    try:
        check_possible(config, card)
    except ConfigError:
        return False
    return True


def remedies(failing: Plan, sizes: Sizes, most: int = 4) -> list[Remedy]:
    """What would fit, the same samples a step, fastest first."""
    found = []
    for changes in _changes(failing):
        values = {name: value for name, value in changes.items() if name != "nproc"}
        config = replace(failing.config, **values)
        changed = plan(config, sizes, failing.card, changes.get("nproc", failing.nproc), frames=failing.frames)
        if changed.fits and _is_possible(config, failing.card):
            found.append(Remedy(tuple(f"--{name} {_shown(value)}" for name, value in changes.items()), changed))
    found.sort(key=lambda remedy: (-remedy.plan.speed.samples_per_s / remedy.plan.nproc, len(remedy.changes)))
    return [one for index, one in enumerate(found) if not _contains_another(one, found[:index])][:most]


def _changes(failing: Plan) -> Iterator[Mapping[str, Any]]:
    """Every combination of the things that save memory."""
    for besides in _changes_besides(failing):
        for changes in _training_changes(failing):
            if both := {**changes, **besides}:
                yield both


def _changes_besides(failing: Plan) -> Iterator[dict[str, Any]]:
    """Frames loaded in each step, where they are kept; fewer episodes together, where there are evaluations."""
    is_kept = failing.config.keep_frames_on_device and failing.frames
    for loaded in ({}, {"keep_frames_on_device": False}) if is_kept else ({},):
        for evaluated in _evaluations(failing.config):
            yield {**loaded, **evaluated}


def _training_changes(failing: Plan) -> Iterator[Mapping[str, Any]]:
    config = failing.config
    for quantised in _smaller_bases(failing):
        for level in _choices("activation_checkpointing", config.activation_checkpointing, tuple(Checkpointing)):
            for batch in _batches(config):
                accumulated = batch.get("grad_accumulation_steps", config.grad_accumulation_steps)
                for shared in (
                    [] if quantised or config.has_nf4_base or config.has_fp8_base else _shards(failing, accumulated)
                ):
                    yield {**level, **batch, **shared}
                yield {**level, **batch, **quantised}


def _smaller_bases(failing: Plan) -> Iterator[dict[str, Any]]:
    """The base as it is; where it is in 16 bits, in 4; and in 8 on cards that multiply in fp8."""
    yield {}
    config = failing.config
    if config.use_lora and not config.has_nf4_base and not config.has_fp8_base:
        yield {"use_quantization": True}
        if failing.card.has_fp8:
            yield {"base_precision": BasePrecision.FP8}


def _evaluations(config: FinetuneConfig) -> Iterator[dict[str, Any]]:
    """Fewer episodes together, where there are evaluations."""
    yield {}
    size = config.eval_batch_size // 2 if config.enable_periodic_eval else 0
    while size >= 1:
        yield {"eval_batch_size": size}
        size //= 2


def _choices(name: str, current: object, values: tuple[object, ...]) -> Iterator[dict[str, Any]]:
    """Nothing, then each other value."""
    yield {}
    yield from ({name: value} for value in values if value != current)


def _batches(config: FinetuneConfig) -> Iterator[dict[str, Any]]:
    """Smaller micro-batches, accumulated to the same number of samples."""
    yield {}
    whole = config.batch_size * config.grad_accumulation_steps
    size = config.batch_size // 2
    while size >= 1:
        if whole % size == 0:
            yield {"batch_size": size, "grad_accumulation_steps": whole // size}
        size //= 2


def _shards(failing: Plan, accumulated: int) -> Iterator[dict[str, Any]]:
    """The model spread over the cards; of one card, over two that share the samples of a step."""
    if failing.config.sharding is Sharding.FULL or not failing.config.use_lora:
        return
    if failing.nproc > 1:
        yield {"sharding": Sharding.FULL}
    elif accumulated % 2 == 0:
        yield {"grad_accumulation_steps": accumulated // 2, "sharding": Sharding.FULL, "nproc": 2}


def _contains_another(one: Remedy, faster: list[Remedy]) -> bool:
    """Whether a faster remedy asks for a part of the same."""
    return any(set(other.changes) <= set(one.changes) for other in faster)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
