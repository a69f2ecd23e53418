"""Numbers of parameters, places and operations of an OpenVLA, from its dimensions."""

from dataclasses import dataclass
from itertools import pairwise

from vlatrain.model.config import OpenVLAConfig, TowerConfig

TEXT_TOKENS = 40
"""BOS, an instruction of usual length, 7 actions and the end token."""


@dataclass(frozen=True, slots=True)
class BlockSize:
    """Blocks of one kind: how many run, the weights of one, the places of a sample, and the widths that matter."""

    count: int
    linears: tuple[tuple[int, int], ...]
    places: int
    width: int
    inner: int

    @property
    def weights(self) -> int:
        """Of the matrices of one block."""
        return sum(inputs * outputs for inputs, outputs in self.linears)

    def lora(self, rank: int) -> int:
        """Parameters of the adapters of all these blocks."""
        return self.count * sum(inputs + outputs for inputs, outputs in self.linears) * rank


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the formulae of memory and time need to know of a model."""

    decoder: BlockSize
    towers: tuple[BlockSize, BlockSize]
    projector: BlockSize
    parameters: int
    vocabulary: int
    actions: int

    @property
    def blocks(self) -> tuple[BlockSize, ...]:
        """All kinds of blocks that run."""
        return (self.decoder, *self.towers, self.projector)

    def lora(self, rank: int) -> int:
        """Parameters of the adapters that learn."""
        return sum(block.lora(rank) for block in self.blocks)


def sizes_of(config: OpenVLAConfig, text_tokens: int = TEXT_TOKENS) -> Sizes:
    """The sizes of a model that reads `text_tokens` tokens besides the picture."""
    text = config.text
    width, inner = text.hidden_size, text.intermediate_size
    vision = config.featurizer.width + config.fused_featurizer.width
    decoder = BlockSize(
        text.num_hidden_layers,
        (*[(width, width)] * 4, (width, inner), (width, inner), (inner, width)),
        config.n_patches + text_tokens,
        width,
        inner,
    )
    state = ((config.state_size, width), (width, width)) if config.state_size else ()
    linears = ((vision, 4 * vision), (4 * vision, width), (width, width), *state)
    fused = BlockSize(1, linears, config.n_patches, width, 4 * vision)
    towers = (_tower(config.featurizer, config.pictures), _tower(config.fused_featurizer, config.pictures))
    parameters = (
        decoder.count * (decoder.weights + 2 * width)
        + 2 * text.vocab_size * width
        + width
        + fused.weights
        + 4 * vision
        + 2 * width
        + len(state) * width
        + sum(map(_tower_parameters, (config.featurizer, config.fused_featurizer)))
    )
    return Sizes(decoder, towers, fused, parameters, text.vocab_size, config.action_dim + 1)


def _tower(config: TowerConfig, pictures: int) -> BlockSize:
    """Without the last block, which never runs."""
    places = config.n_patches + config.class_tokens + config.register_tokens
    return BlockSize(config.depth - 1, _linears(config), pictures * places, config.width, config.mlp_width)


def _linears(config: TowerConfig) -> tuple[tuple[int, int], ...]:
    width, inner = config.width, config.mlp_width
    return ((width, 3 * width), (width, width), (width, inner), (inner, width))


def _tower_parameters(config: TowerConfig) -> int:
    """All of them, those that never run included."""
    width = config.width
    linear = sum((inputs + 1) * outputs for inputs, outputs in _linears(config))
    block = linear + 4 * width + (2 * width if config.layer_scale else 0)
    tokens = (config.n_patches + config.class_tokens + config.register_tokens) * width
    pixels = _embedding_parameters(config)
    pool = linear + 3 * width if config.attention_pool else 0
    return config.depth * block + tokens + pixels + 2 * width + pool


def _embedding_parameters(config: TowerConfig) -> int:
    """Of what makes patches of pixels."""
    if not config.stem_widths:
        return (3 * config.patch_size**2 + 1) * config.width
    halvings = sum((9 * inputs + 3) * outputs for inputs, outputs in pairwise((3, *config.stem_widths)))
    return halvings + (config.stem_widths[-1] + 1) * config.width
