"""The tool `fresh`: a small OpenVLA with random weights, to be trained from nothing on one data set."""

import argparse
from functools import partial
from pathlib import Path

from vlatrain.data.actions import STATE_DIM
from vlatrain.data.rlds import RLDSDataset
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.config import OpenVLAConfig, TextConfig, TowerConfig
from vlatrain.model.initialise import initialise, position_encodings
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.prompt import PROMPT
from vlatrain.model.word_tokenizer import build_word_tokenizer, padding_id

HEAD_SIZE = 64
PATCH_SIZE = 16
STEM_WIDTHS = (16, 32, 64, 128)
CONVOLUTIONS = "conv"
ROWS_TOGETHER = 64  # padding rows behind the actions, as published


def write(arguments: argparse.Namespace) -> Path:
    """The folder. Raises TrainerError where it is there already, or a number does not fit."""
    out: Path = arguments.out
    if out.exists():
        raise TrainerError(f"--out {out}: exists already")
    before, after = PROMPT.split(" {instruction}")
    tokenizer = build_word_tokenizer(RLDSDataset(arguments.data).instructions, phrases=(before, after))
    model = OpenVLA(config_of(arguments, padding_id(tokenizer)))
    initialise(model, arguments.seed)
    _tell_places(model)
    save_base(model, out)
    tokenizer.save(str(out / "tokenizer.json"))
    return out


def _tell_places(model: OpenVLA) -> None:
    """Positions of the patches begin as sines and cosines: those of `initialise` are lost beside what patches show."""
    config, towers = model.config, model.vision_backbone
    pairs = ((towers.featurizer, config.featurizer), (towers.fused_featurizer, config.fused_featurizer))
    for tower, its in pairs:
        tower.pos_embed.data.copy_(position_encodings(its.image_size // its.patch_size, its.width))


def config_of(arguments: argparse.Namespace, pad: int) -> OpenVLAConfig:
    """The published architecture in the dimensions asked for; heads are of 64 channels."""
    for name in ("width", "vision_width"):
        if getattr(arguments, name) % HEAD_SIZE:
            raise TrainerError(f"--{name.replace('_', '-')} {getattr(arguments, name)}: no multiple of {HEAD_SIZE}")
    width, depth = arguments.vision_width, arguments.vision_depth + 1  # the last block of a tower never runs
    tower = partial(TowerConfig, image_size=arguments.image_size, patch_size=PATCH_SIZE, width=width, depth=depth)
    tower = partial(tower, heads=width // HEAD_SIZE, mlp_width=4 * width)
    if arguments.stem == CONVOLUTIONS:
        tower = partial(tower, stem_widths=STEM_WIDTHS)
    return OpenVLAConfig(
        featurizer=tower(class_tokens=1, register_tokens=4, layer_scale=True),
        fused_featurizer=tower(attention_pool=True),
        text=TextConfig(
            vocab_size=pad + ROWS_TOGETHER,
            hidden_size=arguments.width,
            intermediate_size=arguments.width * 8 // 3 // HEAD_SIZE * HEAD_SIZE,
            num_hidden_layers=arguments.depth,
            num_attention_heads=arguments.width // HEAD_SIZE,
            pad_token_id=pad,
        ),
        pad_to_multiple_of=ROWS_TOGETHER,
        pictures=2 if arguments.wrist else 1,
        state_size=STATE_DIM if arguments.proprio else 0,
        chunk=arguments.chunk,
    )
