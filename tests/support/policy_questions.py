"""What a policy is asked in tests."""

from collections.abc import Sequence

import torch
from torch import Tensor
from vlatrain.model.openvla import OpenVLA


def question(vla: OpenVLA, lengths: Sequence[int] = (9, 7)) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, prompts and their lengths, always the same ones; as `OpenVLA.predict` takes them."""
    generator = torch.Generator().manual_seed(3)
    rows, size = len(lengths), vla.config.image_size
    pixels = torch.randn(rows, 6, size, size, generator=generator)
    ids = torch.randint(3, vla.config.action_vocab_end, (rows, max(lengths)), generator=generator)
    return pixels, ids, torch.tensor(lengths)
