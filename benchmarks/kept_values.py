"""How many values the blocks of the model keep for their backward pass, counted where autograd keeps them.

PYTHONPATH=supervisor:trainer:tui:tests/support python3 benchmarks/kept_values.py
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from kept_bytes import kept_bytes
from peft import LoraConfig, get_peft_model
from torch import nn
from vlatrain.configuration.finetune import Precision
from vlatrain.model.config import DINOV2_L, TextConfig
from vlatrain.model.llama import DecoderLayer, rotary
from vlatrain.model.vit import Block


class _Holder(nn.Module):
    """A place for a block, as PEFT adapts the parts of a module."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, *inputs: Any) -> Any:
        return self.block(*inputs)


def kept_values(device: str = "cuda") -> Iterator[tuple[str, dict[str, float]]]:
    """For each kind of block and arithmetic the multiples of width, inner width and rank that it keeps a place."""
    for precision in (Precision.BF16, Precision.FP32):
        yield f"decoder, {precision}", _multiples(_decoder_bytes, 512, 1024, precision, device)
        yield f"tower, {precision}", _multiples(_tower_bytes, 512, 1024, precision, device)


def _multiples(kept: Any, width: int, inner: int, precision: Precision, device: str) -> dict[str, float]:
    """From the growth with each size; what belongs to no size is left over."""
    dtype = torch.bfloat16 if precision is Precision.BF16 else torch.float32
    each = dtype.itemsize

    def a_place(width: int, inner: int, rank: int) -> float:
        many, few = (kept(width, inner, rank, places, dtype, device) for places in (512, 256))
        return float(many - few) / 256 / each

    one = a_place(width, inner, 8)
    wide, deep = a_place(2 * width, inner, 8), a_place(width, 2 * inner, 8)
    ranked = a_place(width, inner, 16)
    found = {"width": (wide - one) / width, "inner": (deep - one) / inner, "rank": (ranked - one) / 8}
    rest = one - found["width"] * width - found["inner"] * inner - found["rank"] * 8
    return {name: round(value, 3) for name, value in {**found, "rest": rest}.items()}


def _decoder_bytes(width: int, inner: int, rank: int, places: int, dtype: torch.dtype, device: str) -> int:
    config = TextConfig(
        vocab_size=400, hidden_size=width, intermediate_size=inner, num_attention_heads=width // 128, pad_token_id=1
    )
    turn = rotary(torch.arange(places, device=device), config, dtype)
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return _block_bytes(DecoderLayer(config), names, rank, places, width, dtype, device, turn)


def _tower_bytes(width: int, inner: int, rank: int, places: int, dtype: torch.dtype, device: str) -> int:
    config = replace(DINOV2_L, width=width, mlp_width=inner, heads=width // 64)
    return _block_bytes(Block(config), ["qkv", "proj", "fc1", "fc2"], rank, places, width, dtype, device)


def _block_bytes(
    block: nn.Module, names: list[str], rank: int, places: int, width: int, dtype: torch.dtype, device: str, *more: Any
) -> int:
    adapted = get_peft_model(_Holder(block).to(device, dtype), LoraConfig(r=rank, target_modules=names))
    inputs = torch.randn(1, places, width, dtype=dtype, device=device, requires_grad=True)

    def run() -> Any:
        with torch.autocast(device, dtype, enabled=dtype is not torch.float32):
            return adapted(inputs, *more)

    return kept_bytes(adapted, run)
