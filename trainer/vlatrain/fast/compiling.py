"""Blocks compiled by torch: all blocks of a kind share one program, which holds for every length of text."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch
from torch import nn

from vlatrain.model.llama import DecoderLayer
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.vit import PatchEmbedding

MOST_PROGRAMS = 64
"""Of one function; torch's own limit of 8 is below the kinds of blocks times the ways they are called."""


def compile_blocks(vla: OpenVLA, backend: str = "inductor", *, fullgraph: bool = False, is_whole: bool = False) -> None:
    """Compiles in place, when first called, the blocks of both towers and of the decoder; arguments as torch.compile's.

    The decoder's last layer stays as it is: it computes few places, and would need a program of its own. Where all
    weights are trained models are small, and it is a good part of them: it is compiled too, and so is the projector,
    and patches are embedded by a plain product, whose gradient is one, too, or by a compiled stem; towers and projector
    then get a program for each of their shapes, which never change. A block that torch cannot compile runs as it is,
    and torch warns.
    """
    torch._dynamo.config.recompile_limit = MOST_PROGRAMS
    torch._dynamo.config.suppress_errors = not fullgraph
    for block in [*_blocks(vla), *([vla.language_model.model.layers[-1], vla.projector] if is_whole else [])]:
        is_of_one_shape = is_whole and not isinstance(block, DecoderLayer)
        block.compile(backend=backend, fullgraph=fullgraph, dynamic=False if is_of_one_shape else None)
    for tower in (vla.vision_backbone.featurizer, vla.vision_backbone.fused_featurizer):
        if isinstance(tower.patch_embed, PatchEmbedding):
            tower.patch_embed.is_product = is_whole
        elif is_whole:
            tower.patch_embed.compile(backend=backend, fullgraph=fullgraph, dynamic=False)


def uncompiled() -> AbstractContextManager[None]:
    """For a single pass that is not worth a program of its own."""
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def _blocks(vla: OpenVLA) -> Iterator[nn.Module]:
    towers = vla.vision_backbone
    yield from towers.featurizer.blocks[:-1]
    yield from towers.fused_featurizer.blocks[:-1]
    yield from vla.language_model.model.layers[:-1]
