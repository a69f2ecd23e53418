"""How many values the blocks of the model keep for their backward pass, counted where autograd keeps them.

PYTHONPATH=supervisor:trainer:tui:tests/support python3 benchmarks/kept_values.py

What is counted is the same on a CPU, but for what attention keeps.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from kept_bytes import kept_bytes
from peft import LoraConfig, get_peft_model
from torch import nn
from vlatrain.model.config import DINOV2_L, TextConfig
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import DecoderLayer, rotary
from vlatrain.model.vit import Block
from vlatrain.planning.used import Way

PARTITIONED = "aot_eager_decomp_partition"
"""Divides a program between forward and backward pass as torch's compiler for GPUs does, and generates no code."""


class _Holder(nn.Module):
    """A place for a block, as PEFT adapts the parts of a module."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block


def kept_values(device: str = "cuda") -> Iterator[tuple[str, dict[str, float]]]:
    """For each kind of block and way to compute the multiples of width, inner width and rank that it keeps a place."""
    for way in Way:
        yield f"decoder, {way}", _multiples(_decoder_bytes, 512, 1024, way, device)
        yield f"tower, {way}", _multiples(_tower_bytes, 512, 1024, way, device)


def _multiples(kept: Any, width: int, inner: int, way: Way, device: str) -> dict[str, float]:
    """From the growth with each size; what belongs to no size is left over."""
    each = _dtype(way).itemsize

    def a_place(width: int, inner: int, rank: int) -> float:
        many, few = (kept(width, inner, rank, places, way, device) for places in (512, 256))
        return float(many - few) / 256 / each

    one = a_place(width, inner, 8)
    wide, deep = a_place(2 * width, inner, 8), a_place(width, 2 * inner, 8)
    ranked = a_place(width, inner, 16)
    found = {"width": (wide - one) / width, "inner": (deep - one) / inner, "rank": (ranked - one) / 8}
    rest = one - found["width"] * width - found["inner"] * inner - found["rank"] * 8
    return {name: round(value, 3) for name, value in {**found, "rest": rest}.items()}


def _dtype(way: Way) -> torch.dtype:
    return torch.float32 if way is Way.FP32 else torch.bfloat16


def _decoder_bytes(width: int, inner: int, rank: int, places: int, way: Way, device: str) -> int:
    config = TextConfig(
        vocab_size=400, hidden_size=width, intermediate_size=inner, num_attention_heads=width // 128, pad_token_id=1
    )
    turn = rotary(torch.arange(places, device=device), config, _dtype(way))
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return _block_bytes(DecoderLayer(config), names, rank, places, width, way, device, turn)


def _tower_bytes(width: int, inner: int, rank: int, places: int, way: Way, device: str) -> int:
    config = replace(DINOV2_L, width=width, mlp_width=inner, heads=width // 64)
    return _block_bytes(Block(config), ["qkv", "proj", "fc1", "fc2"], rank, places, width, way, device)


def _block_bytes(
    block: nn.Module, names: list[str], rank: int, places: int, width: int, way: Way, device: str, *more: Any
) -> int:
    config, dtype = LoraConfig(r=rank, target_modules=names), _dtype(way)
    if way in (Way.FUSED, Way.COMPILED):
        config._register_custom_module({nn.Linear: FusedLoraLinear})
    holder = _Holder(block).to(device, dtype)
    get_peft_model(holder, config)
    inputs = torch.randn(1, places, width, dtype=dtype, device=device, requires_grad=True)
    if way is Way.COMPILED:
        torch._dynamo.reset()
        holder.block.compile(backend=PARTITIONED)
        holder.block(inputs, *more)  # what is compiled is kept by nobody

    def run() -> Any:
        with torch.autocast(device, dtype, enabled=way is Way.MIXED):
            return holder.block(inputs, *more)

    return kept_bytes(holder, run)


if __name__ == "__main__":
    for name, found in kept_values("cuda" if torch.cuda.is_available() else "cpu"):
        print(f"{name}: {found}")
