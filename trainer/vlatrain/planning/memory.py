"""Bytes that a rank needs on its card, by part: from the sizes of the model, and from what was measured once."""

from dataclasses import dataclass

from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.configuration.speed import keeps_transposes
from vlatrain.fast.levers import Levers
from vlatrain.planning.cards import Card
from vlatrain.planning.measured import Kept, Measured
from vlatrain.planning.sizes import BlockSize, Sizes
from vlatrain.planning.used import used_on, way_of

BYTES = {Precision.BF16: 2, Precision.FP16: 2, Precision.FP32: 4}
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)  # nibbles, and doubly quantised scales of blocks of 64
TRAINED_BYTES = 16  # weight, gradient and two moments in fp32
MEAN_BYTES = 4
SHADOW_BYTES = 6  # of an adapter's number where passes are graphs: its copy, that one's gradient, all gradients as one
RANKS_BYTES = 500_000_000  # NCCL's buffers
TEMPORARY = Kept(4, 6, 0)  # values that one block needs besides while it is computed


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the account."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Account:
    """All parts of a rank's memory, the largest moment counted."""

    parts: tuple[Part, ...]

    @property
    def total_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)


def precision_on(config: FinetuneConfig, card: Card) -> Precision:
    """The arithmetic that the trainer will choose."""
    if config.precision is not Precision.AUTO:
        return config.precision
    return Precision.BF16 if card.has_bf16 else Precision.FP16


def account(
    config: FinetuneConfig, sizes: Sizes, precision: Precision, nproc: int, known: Measured, card: Card
) -> Account:
    """The memory of one rank while it trains or evaluates, whichever needs more."""
    used = used_on(card, config, precision, nproc)
    training = Part(*_training(config, sizes, precision, known, used))
    evaluating = Part("evaluation: keys and values, activations", _evaluating(config, sizes, precision))
    fixed = (*_weights(config, sizes, precision, nproc, card), *_trained(config, sizes))
    working = max(training, evaluating, key=lambda part: part.size_bytes)
    foretold = sum(part.size_bytes for part in (*fixed, working))
    lost = known.graph_fragments if used.cuda_graph else known.fragments
    spare = known.context_bytes + (RANKS_BYTES if nproc > 1 else 0) + int(lost * foretold)
    return Account((*fixed, working, Part("driver, workspaces, fragments", spare)))


def _weights(config: FinetuneConfig, sizes: Sizes, precision: Precision, nproc: int, card: Card) -> list[Part]:
    if not config.use_lora:
        return []
    each = BYTES[precision]
    decoder = sizes.decoder.count * sizes.decoder.weights
    if config.has_nf4_base:
        size = decoder * NF4_BYTES + (sizes.parameters - decoder) * each
        return [Part(f"base model, decoder in 4 bits, the rest {precision}", int(size))]
    if config.has_fp8_base:
        is_twice = keeps_transposes(decoder, card.memory_bytes)
        size = decoder * (2 if is_twice else 1) + (sizes.parameters - decoder) * each
        told = "fp8 and its transpose" if is_twice else "fp8"
        return [Part(f"base model, decoder in {told}, the rest {precision}", size)]
    if config.sharding is Sharding.FULL and nproc > 1:
        blocks = sum(block.count * block.weights for block in (sizes.decoder, *sizes.towers))
        size = (sizes.parameters - blocks) * each + blocks * each // nproc + 2 * sizes.decoder.weights * each
        return [Part(f"base model, {precision}, a part of {nproc} and two blocks at work", size)]
    return [Part(f"base model, {precision}", sizes.parameters * each)]


def _trained(config: FinetuneConfig, sizes: Sizes) -> list[Part]:
    told, count = ("adapters", sizes.lora(config.lora_rank)) if config.use_lora else ("all weights", sizes.parameters)
    if config.ema_decay:
        return [Part(f"{told}: weights, their means, gradients, moments in fp32", count * (TRAINED_BYTES + MEAN_BYTES))]
    return [Part(f"{told}: weights, gradients, moments in fp32", count * TRAINED_BYTES)]


def _training(
    config: FinetuneConfig, sizes: Sizes, precision: Precision, known: Measured, used: Levers
) -> tuple[str, int]:
    """Activations of one micro-batch at the moment when most are kept."""
    way, each, rank = way_of(used, precision), BYTES[precision], config.lora_rank
    level = config.activation_checkpointing
    decoder = _kept(sizes.decoder, known.decoder[way], rank, level is not Checkpointing.NONE)
    towers = [_kept(tower, known.tower[way], rank, level is Checkpointing.FULL) for tower in sizes.towers]
    projector = sizes.projector.places * 3 * (sizes.projector.inner + 2 * sizes.projector.width)
    logits = sizes.actions * sizes.vocabulary * 4
    temporary = sizes.decoder.places * TEMPORARY.values(sizes.decoder, 0)
    values = decoder + sum(towers) + projector + logits + temporary
    cast = (
        SHADOW_BYTES if used.cuda_graph and config.use_lora else 0 if precision is Precision.FP32 else BYTES[precision]
    )
    casts = cast * (sizes.lora(config.lora_rank) if config.use_lora else sizes.parameters)
    told = {Checkpointing.NONE: "all kept", Checkpointing.BLOCKS: "the towers' kept", Checkpointing.FULL: "none kept"}
    samples = f"{config.batch_size} sample{'s' * (config.batch_size > 1)}"
    return f"activations of {samples}, {told[level]}", int(config.batch_size * values * each + casts)


def _kept(block: BlockSize, keeps: Kept, rank: int, is_recomputed: bool) -> float:
    """Values of all blocks of a kind for one sample: all, or each block's input and one block's own."""
    own = keeps.values(block, rank) * block.places
    return block.count * block.width * block.places + own if is_recomputed else block.count * own


def _evaluating(config: FinetuneConfig, sizes: Sizes, precision: Precision) -> int:
    """Keys and values of all layers, and what one block of each kind needs at a time."""
    if not config.enable_periodic_eval:
        return 0
    decoder, each = sizes.decoder, BYTES[precision]
    cache = decoder.count * 2 * decoder.width * decoder.places
    working = decoder.places * (TEMPORARY.values(decoder, 0) + 6 * decoder.width)
    return int(config.eval_batch_size * (cache + working) * each)
