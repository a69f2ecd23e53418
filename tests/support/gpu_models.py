"""Models for the checks on GPUs: a small one, and the 7B with random weights."""

from typing import Any

import pytest
import torch
from torch import Tensor
from vlatrain.model.config import OpenVLAConfig, TextConfig, TowerConfig
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import IGNORED, OpenVLA
from vlatrain.model.word_tokenizer import build_word_tokenizer, padding_id

INSTRUCTIONS = ["put the block 0 in the bowl", "push the button 1 2"]


def needs_gpus(count: int) -> pytest.MarkDecorator:
    there = torch.cuda.device_count()
    return pytest.mark.skipif(there < count, reason=f"{there} CUDA devices, {count} wanted")


def small_config() -> OpenVLAConfig:
    """Shapes that the kernels of a GPU take: heads of 32 and 64, widths of whole 64."""
    pad = padding_id(build_word_tokenizer(INSTRUCTIONS))
    tower: dict[str, Any] = {"image_size": 56, "patch_size": 14, "depth": 3}
    return OpenVLAConfig(
        featurizer=TowerConfig(
            **tower, width=128, heads=4, mlp_width=256, class_tokens=1, register_tokens=4, layer_scale=True
        ),
        fused_featurizer=TowerConfig(**tower, width=192, heads=3, mlp_width=320, attention_pool=True),
        text=TextConfig(
            vocab_size=pad + 64,
            hidden_size=256,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=4,
            pad_token_id=pad,
        ),
    )


def small_model(seed: int = 1) -> OpenVLA:
    """Embeddings are made large so that tokens and pictures show in the answers."""
    model = OpenVLA(small_config())
    initialise(model, seed)
    with torch.no_grad():
        model.language_model.model.embed_tokens.weight.mul_(50)
    return model


def random_7b(config: OpenVLAConfig | None = None) -> OpenVLA:
    """The published sizes in bf16, drawn on the GPU; depths may be others."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        torch.manual_seed(1)
        with torch.device("cuda"):
            return OpenVLA(config or OpenVLAConfig())
    finally:
        torch.set_default_dtype(before)


def a_batch(config: OpenVLAConfig, rows: int, text: int = 34) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels in bf16, tokens and labels, of rows of equal length."""
    generator = torch.Generator("cuda").manual_seed(5)
    size = config.image_size
    pixels = torch.randn(rows, 6, size, size, device="cuda", generator=generator).bfloat16()
    ids = torch.randint(3, config.action_vocab_end, (rows, text), device="cuda", generator=generator)
    is_answer = torch.arange(text, device="cuda") >= text - config.action_dim - 1
    return pixels, ids, torch.where(is_answer, ids, IGNORED)
