"""Models with random weights for measurements: the published 7B on a GPU, or a small one of the same parts."""

from typing import Any

import torch
from torch import Tensor
from vlatrain.method.probe import ProbeBatch
from vlatrain.model.config import OpenVLAConfig, TextConfig, TowerConfig
from vlatrain.model.openvla import IGNORED, OpenVLA


def config_of(size: str) -> OpenVLAConfig:
    """`7b` is the published model; `tiny` keeps its proportions: most of the work below the last layers."""
    if size == "7b":
        return OpenVLAConfig()
    tower: dict[str, Any] = {"image_size": 112, "patch_size": 14, "width": 64, "heads": 2, "mlp_width": 128}
    text = TextConfig(
        vocab_size=1024,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=12,
        num_attention_heads=8,
        pad_token_id=960,
    )
    dinov2 = TowerConfig(**tower, depth=4, class_tokens=1, register_tokens=4, layer_scale=True)
    return OpenVLAConfig(featurizer=dinov2, fused_featurizer=TowerConfig(**tower, depth=4), text=text)


def random_openvla(size: str, device: torch.device, dtype: torch.dtype) -> OpenVLA:
    """Drawn on the device by torch's own initialisation."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(1)
        with device:
            return OpenVLA(config_of(size)).eval()
    finally:
        torch.set_default_dtype(before)


def probe_of(vla: OpenVLA, samples: int, device: torch.device, dtype: torch.dtype, seed: int = 2) -> ProbeBatch:
    """Prompts of 20 to 27 tokens: BOS and two tokens, the instruction, and three tokens behind it."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(20, 28, (samples,), generator=generator)
    ids = torch.randint(3, vla.config.action_vocab_end, (samples, 27), generator=generator)
    ids = ids.where(torch.arange(27) < lengths[:, None], vla.config.pad_token_id)
    pixels = torch.randn(samples, 6, vla.config.image_size, vla.config.image_size, generator=generator)
    parts = (pixels.to(dtype), ids, lengths, torch.full_like(lengths, 3), lengths - 3)
    return ProbeBatch(*(part.to(device) for part in parts))


def training_batch(vla: OpenVLA, rows: int, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """34 tokens a row, of which 7 actions and the end are learned."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, vla.config.action_vocab_end, (rows, 34), generator=generator)
    labels = ids.where(torch.arange(34) >= 26, IGNORED)
    pixels = torch.randn(rows, 6, vla.config.image_size, vla.config.image_size, generator=generator)
    return {"pixel_values": pixels.to(device, dtype), "input_ids": ids.to(device), "labels": labels.to(device)}
