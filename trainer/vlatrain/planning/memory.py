"""Bytes that a rank needs on its card, by part: from the sizes of the model, and from what was measured once."""

from dataclasses import dataclass

from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.configuration.speed import keeps_transposes
from vlatrain.fast.levers import Levers
from vlatrain.model.config import N_STATES, PROPRIO_LOOKS, PROPRIO_WIDTH
from vlatrain.planning.cards import Card
from vlatrain.planning.measured import Kept, Measured
from vlatrain.planning.sizes import BlockSize, EmbeddingSize, Sizes
from vlatrain.planning.used import used_on, way_of

BYTES = {Precision.BF16: 2, Precision.FP16: 2, Precision.FP32: 4}
FP32_BYTES = BYTES[Precision.FP32]
INT64_BYTES = 8
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
    config: FinetuneConfig,
    sizes: Sizes,
    precision: Precision,
    nproc: int,
    known: Measured,
    card: Card,
    frames: int = 0,
) -> Account:
    """The memory of one rank while it trains or evaluates, whichever needs more; `frames` may stay on the card."""
    used = used_on(card, config, precision, nproc)
    training = Part(*_training(config, sizes, precision, known, used))
    evaluating = Part("evaluation: keys and values, activations", _evaluating(config, sizes, precision))
    weights = _weights(config, sizes, precision, nproc, card)
    fixed = (*weights, *_trained(config, sizes), *_frames(config, sizes, frames))
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
    means, each = (", their means", TRAINED_BYTES + MEAN_BYTES) if config.ema_decay else ("", TRAINED_BYTES)
    parts = [Part(f"{told}: weights{means}, gradients, moments in fp32", count * each)]
    if config.foretells_proprio:
        told = "head that foretells the hand's state: weights, gradients, moments"
        parts.append(Part(told, sizes.proprio_head * TRAINED_BYTES))
    return parts


def _frames(config: FinetuneConfig, sizes: Sizes, frames: int) -> list[Part]:
    """Pictures in bytes, ids and labels of texts, and the hand's state where it is read."""
    if not config.keep_frames_on_device or not frames:
        return []
    state = N_STATES * FP32_BYTES if config.use_proprio or config.foretells_proprio else 0
    each = sizes.embeddings[0].pixels + (2 * sizes.text_tokens + 1) * INT64_BYTES + state
    return [Part(f"{frames:,} frames on the card", frames * each)]


def _training(
    config: FinetuneConfig, sizes: Sizes, precision: Precision, known: Measured, used: Levers
) -> tuple[str, int]:
    """Activations of one micro-batch at the moment when most are kept."""
    way, each, rank = way_of(used, precision), BYTES[precision], config.lora_rank if config.use_lora else 0
    level = config.activation_checkpointing
    decoder = _kept(sizes.decoder, known.decoder[way], rank, level is not Checkpointing.NONE)
    towers = [_kept(tower, known.tower[way], rank, level is Checkpointing.FULL) for tower in sizes.towers]
    projector = sizes.projector.places * 3 * (sizes.projector.inner + 2 * sizes.projector.width)
    logits = sizes.actions * sizes.vocabulary * 4
    temporary = sizes.decoder.places * TEMPORARY.values(sizes.decoder, 0)
    values = decoder + sum(towers) + projector + logits + temporary
    embedded = 0 if config.use_lora else sum(_embedded(one, each) for one in sizes.embeddings)
    sample = values * each + embedded + _foretelling(config, sizes, each)
    casts = _cast_bytes(precision, used) * (sizes.lora(rank) if config.use_lora else sizes.parameters)
    told = {Checkpointing.NONE: "all kept", Checkpointing.BLOCKS: "the towers' kept", Checkpointing.FULL: "none kept"}
    samples = f"{config.batch_size} sample{'s' * (config.batch_size > 1)}"
    return f"activations of {samples}, {told[level]}", int(config.batch_size * sample + casts)


def _cast_bytes(precision: Precision, used: Levers) -> int:
    """Of a number that is trained: those of its copy in the type in which passes compute, and what goes with it."""
    if used.cuda_graph and used.fused_lora:
        return SHADOW_BYTES
    return 0 if precision is Precision.FP32 else BYTES[precision]


def _kept(block: BlockSize, keeps: Kept, rank: int, is_recomputed: bool) -> float:
    """Values of all blocks of a kind for one sample: all, or each block's input and one block's own."""
    own = keeps.values(block, rank) * block.places
    return block.count * block.width * block.places + own if is_recomputed else block.count * own


def _embedded(embedding: EmbeddingSize, each: int) -> int:
    """Bytes that making patches keeps for one sample where it is trained; frozen, it keeps nothing.

    Each convolution keeps its input, each norm and each GELU theirs in fp32, under autocast too. Compiled they keep
    less, which is not counted: what stays is torch's choice and was not measured.
    """
    inputs = (embedding.pixels + embedding.features) * each
    return inputs + 2 * FP32_BYTES * (embedding.features + embedding.places)


def _foretelling(config: FinetuneConfig, sizes: Sizes, each: int) -> int:
    """Bytes that the head which foretells the hand's state keeps for one sample, all in fp32: patches behind its norm
    and, cast, before it; where its looks go, what they find, and what is made of that. Those of a model that is trained
    whole are in fp32 already.
    """
    if not config.foretells_proprio:
        return 0
    patches, width = sizes.projector.places, sizes.decoder.width
    copies = 2 if config.use_lora and each < FP32_BYTES else 1
    read = PROPRIO_LOOKS * (patches + width) + 2 * (patches + PROPRIO_WIDTH)
    return FP32_BYTES * (copies * patches * width + read)


def _evaluating(config: FinetuneConfig, sizes: Sizes, precision: Precision) -> int:
    """Keys and values of all layers, and what a block of the decoder needs at a time; or what making patches does."""
    if not config.enable_periodic_eval:
        return 0
    decoder, each = sizes.decoder, BYTES[precision]
    cache = decoder.count * 2 * decoder.width * decoder.places
    working = decoder.places * (TEMPORARY.values(decoder, 0) + 6 * decoder.width)
    embedded = max(_embedded(one, each) for one in sizes.embeddings)
    return int(config.eval_batch_size * max((cache + working) * each, embedded))
