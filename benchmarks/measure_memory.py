"""Peaks of memory and times of a step of the 7B with random weights on this GPU, beside what `vlad plan` predicts.

    PYTHONPATH=supervisor:trainer:tui:tests/support python3 benchmarks/measure_memory.py [--out FILE]

Prints a table, and writes JSON: the peak is everything that the process holds on the device at its largest moment.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from gpu_models import a_batch, random_7b
from kept_bytes import kept_bytes
from peft import LoraConfig, get_peft_model
from torch import nn
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing
from vlatrain.model.config import DINOV2_L, TextConfig
from vlatrain.model.llama import DecoderLayer, rotary
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.recomputing import recompute
from vlatrain.model.vit import Block
from vlatrain.planning.cards import CARDS, Card, card_here
from vlatrain.planning.plan import plan
from vlatrain.planning.sizes import sizes_of

TEXT_TOKENS = 34
SETTINGS = [
    FinetuneConfig(batch_size=batch, lora_rank=rank, activation_checkpointing=level)
    for batch, rank, level in [
        (1, 16, Checkpointing.NONE),
        (2, 16, Checkpointing.NONE),
        (4, 32, Checkpointing.NONE),
        (8, 32, Checkpointing.NONE),
        (16, 32, Checkpointing.NONE),
        (32, 32, Checkpointing.NONE),
        (2, 16, Checkpointing.BLOCKS),
        (16, 32, Checkpointing.BLOCKS),
        (32, 32, Checkpointing.BLOCKS),
        (16, 32, Checkpointing.FULL),
        (64, 32, Checkpointing.FULL),
    ]
]


@dataclass(frozen=True)
class Measured:
    """One setting: bytes and seconds, found and predicted."""

    setting: str
    peak_bytes: int
    predicted_bytes: int
    step_s: float
    predicted_s: float

    @property
    def error(self) -> float:
        return self.predicted_bytes / self.peak_bytes - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    card = card_here() or CARDS["H200"]
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    kept = dict(kept_values())
    for name, values in kept.items():
        print(f"{name:28} keeps {values}")
    found = []
    for config in SETTINGS:
        one = measured(config, card)
        found.append(one)
        print(
            f"{one.setting:28} peak {one.peak_bytes / 1e9:6.2f} GB, predicted {one.predicted_bytes / 1e9:6.2f} "
            f"({100 * one.error:+.1f} %); step {one.step_s:.3f} s, predicted {one.predicted_s:.3f}",
            flush=True,
        )
    if options.out:
        results = [vars(one) | {"error": one.error} for one in found]
        device = torch.cuda.get_device_name()
        told = {"device": device, "torch": torch.__version__, "kept": kept, "settings": results}
        options.out.write_text(json.dumps(told, indent=1) + "\n")


def measured(config: FinetuneConfig, card: Card, warm_up: int = 2, steps: int = 5) -> Measured:
    """Trains a few steps with a model of its own."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = random_7b()
    times = list(_steps(model, config, warm_up + steps))[warm_up:]
    free, total = torch.cuda.mem_get_info()
    held = total - free - torch.cuda.memory_reserved() + torch.cuda.max_memory_reserved()
    made = plan(config, sizes_of(model.config, TEXT_TOKENS), card, 1)
    name = f"batch {config.batch_size}, r={config.lora_rank}, {config.activation_checkpointing}"
    del model
    gc.collect()
    torch.cuda.empty_cache()
    return Measured(name, held, made.account.total_bytes, statistics.median(times), made.speed.step_s)


def _steps(model: OpenVLA, config: FinetuneConfig, count: int) -> Iterator[float]:
    adapted = add_lora(model, config.lora_rank).cuda().train()
    recompute(model, config.activation_checkpointing)
    optimizer = torch.optim.AdamW([one for one in adapted.parameters() if one.requires_grad], lr=1e-4)
    batch = a_batch(model.config, config.batch_size, TEXT_TOKENS)
    for _ in range(count):
        torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = adapted(*batch).loss()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        yield time.perf_counter() - started


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
        return (
            (kept(width, inner, rank, 512, dtype, device) - kept(width, inner, rank, 256, dtype, device)) / 256 / each
        )

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


if __name__ == "__main__":
    main()
