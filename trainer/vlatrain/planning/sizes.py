"""Numbers of parameters, places and operations of an OpenVLA, from its dimensions."""

from dataclasses import dataclass
from itertools import pairwise

from vlatrain.model.config import N_STATES, PROPRIO_LOOKS, PROPRIO_WIDTH, OpenVLAConfig, TowerConfig

TEXT_TOKENS = 40
"""BOS, an instruction of usual length, one action of 7 tokens and the end token."""


@dataclass(frozen=True, slots=True)
class BlockSize:
    """Blocks of one kind: how many run, the weights of one, the places of a sample, and the widths that matter.

    The places are in `rows`, each of which attends to itself alone.
    """

    count: int
    linears: tuple[tuple[int, int], ...]
    places: int
    width: int
    inner: int
    rows: int = 1

    @property
    def weights(self) -> int:
        """Of the matrices of one block."""
        return sum(inputs * outputs for inputs, outputs in self.linears)

    def lora(self, rank: int) -> int:
        """Parameters of the adapters of all these blocks."""
        return self.count * sum(inputs + outputs for inputs, outputs in self.linears) * rank


@dataclass(frozen=True, slots=True)
class EmbeddingSize:
    """What makes patches in one tower, of all pictures of a sample: the values that enter, those that the halvings of a
    stem give, all together, and the places at which these are normalised.
    """

    pixels: int
    features: int
    places: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the formulae of memory and time need to know of a model."""

    decoder: BlockSize
    towers: tuple[BlockSize, BlockSize]
    embeddings: tuple[EmbeddingSize, EmbeddingSize]
    projector: BlockSize
    parameters: int
    vocabulary: int
    actions: int

    @property
    def blocks(self) -> tuple[BlockSize, ...]:
        """All kinds of blocks that run."""
        return (self.decoder, *self.towers, self.projector)

    @property
    def text_tokens(self) -> int:
        return self.decoder.places - self.projector.places

    @property
    def proprio_head(self) -> int:
        """Parameters of the head that foretells the hand's state."""
        width = self.decoder.width
        read = (PROPRIO_LOOKS * width + 1) * PROPRIO_WIDTH + (PROPRIO_WIDTH + 1) * N_STATES
        return 2 * width + (width + 1) * PROPRIO_LOOKS + read

    def lora(self, rank: int) -> int:
        """Parameters of the adapters that learn."""
        return sum(block.lora(rank) for block in self.blocks)


def sizes_of(config: OpenVLAConfig, text_tokens: int = TEXT_TOKENS) -> Sizes:
    """The sizes of a model that reads `text_tokens` tokens besides the pictures, one action among them; those of the
    other actions of a chunk come besides.
    """
    text = config.text
    width, inner = text.hidden_size, text.intermediate_size
    vision = config.featurizer.width + config.fused_featurizer.width
    decoder = BlockSize(
        text.num_hidden_layers,
        (*[(width, width)] * 4, (width, inner), (width, inner), (inner, width)),
        config.n_patches + text_tokens + config.action_dim * (config.chunk - 1),
        width,
        inner,
    )
    state = ((config.state_size, width), (width, width)) if config.state_size else ()
    linears = ((vision, 4 * vision), (4 * vision, width), (width, width), *state)
    fused = BlockSize(1, linears, config.n_patches, width, 4 * vision)
    towers = (_tower(config.featurizer, config.pictures), _tower(config.fused_featurizer, config.pictures))
    embeddings = (_embedding(config.featurizer, config.pictures), _embedding(config.fused_featurizer, config.pictures))
    projector_parameters = fused.weights + 4 * vision + (2 + len(state)) * width
    parameters = (
        decoder.count * (decoder.weights + 2 * width)
        + (2 * text.vocab_size + 1) * width
        + projector_parameters
        + sum(map(_tower_parameters, (config.featurizer, config.fused_featurizer)))
    )
    actions = config.action_dim * config.chunk + 1
    return Sizes(decoder, towers, embeddings, fused, parameters, text.vocab_size, actions)


def _tower(config: TowerConfig, pictures: int) -> BlockSize:
    """Without the last block, which never runs."""
    places = config.n_patches + config.class_tokens + config.register_tokens
    return BlockSize(config.depth - 1, _linears(config), pictures * places, config.width, config.mlp_width, pictures)


def _embedding(config: TowerConfig, pictures: int) -> EmbeddingSize:
    rows = [config.image_size >> halvings for halvings in range(1, len(config.stem_widths) + 1)]
    features = sum(row**2 * width for row, width in zip(rows, config.stem_widths, strict=True))
    places = sum(row**2 for row in rows)
    return EmbeddingSize(pictures * 3 * config.image_size**2, pictures * features, pictures * places)


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
