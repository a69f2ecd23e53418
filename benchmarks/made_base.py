"""Model folders with random weights, of the published size and of smaller ones."""

from pathlib import Path
from typing import Any

import torch
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.config import OpenVLAConfig, TextConfig, TowerConfig
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.word_tokenizer import build_word_tokenizer, padding_id

INSTRUCTIONS = [
    "put the red block in the green bowl",
    "push the button",
    "open the top drawer and put the bowl inside it",
    "lift the cup",
]


def config_of(size: str) -> OpenVLAConfig:
    """The published model, or smaller ones of the same parts."""
    if size == "7b":
        return OpenVLAConfig()
    pad = padding_id(build_word_tokenizer(INSTRUCTIONS))
    scale = 1 if size == "tiny" else 8
    tokens: dict[str, Any] = {"class_tokens": 1, "register_tokens": 4, "layer_scale": True}
    image_size, depth = (28, 3) if size == "tiny" else (112, 6)
    tower: dict[str, Any] = {"image_size": image_size, "patch_size": 14, "depth": depth}
    return OpenVLAConfig(
        featurizer=TowerConfig(**tower, **tokens, width=32 * scale, heads=4, mlp_width=64 * scale),
        fused_featurizer=TowerConfig(**tower, width=48 * scale, heads=4, mlp_width=80 * scale, attention_pool=True),
        text=TextConfig(
            vocab_size=pad + 64,
            hidden_size=64 * scale,
            intermediate_size=128 * scale,
            num_hidden_layers=3 if size == "tiny" else 8,
            num_attention_heads=4,
            pad_token_id=pad,
        ),
    )


def made_base(folder: Path, config: OpenVLAConfig, device: str) -> Path:
    """A model folder with random weights: drawn in fp32, or on the device in bf16 where it is large."""
    if config == OpenVLAConfig():
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        with torch.device(device):
            model = OpenVLA(config)
        torch.set_default_dtype(before)
    else:
        model = OpenVLA(config)
        initialise(model, seed=1)
        with torch.no_grad():
            model.language_model.model.embed_tokens.weight.mul_(50)
    save_base(model, folder)
    fillers = [f"filler{number}" for number in range(config.pad_token_id)] if config == OpenVLAConfig() else []
    tokenizer = _tokenizer_with_pad(config.pad_token_id, fillers)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _tokenizer_with_pad(pad_token_id: int, fillers: list[str]) -> Any:
    """Enough words that the padding has the id of the model's configuration."""
    excess = padding_id(build_word_tokenizer([*INSTRUCTIONS, *fillers])) - pad_token_id
    return build_word_tokenizer([*INSTRUCTIONS, *fillers[: len(fillers) - excess]])
