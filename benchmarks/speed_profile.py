"""Where a step's time goes on the GPU: its kernels by kind, beside what their work takes at the card's own rates."""

import re
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from speed_place import DEVICE, DTYPE, IS_TRIAL, model_config, release, wait
from speed_steps import TEXT_TOKENS, Contender, Setting, step_of
from timed_parts import Note
from vlatrain.planning.sizes import BlockSize, sizes_of

_TILE = r"nvjet_sm\d+_[a-z]+_"
KINDS = (
    ("attention", r"sdpa|flash|fmha|attention|convert_dq|dot_do_o"),
    ("sums of split products", r"splitKreduce"),
    ("products in fp8", r"qqtst|e4m3"),
    ("narrow products", rf"{_TILE}(32|64|96)x\d+_|{_TILE}\d+x(32|64|96)_|{_TILE}256x128_64x4_2x1_v_bz_coopA_NNT"),
    ("wide products", r"nvjet|gemm|cutlass|cublas"),
    ("optimizer", r"multi_tensor|FusedOptimizer"),
    ("element-wise", r"triton|_gated|_of_turned|_rounded|elementwise|copy|Cat|reduce"),
    ("memory", r"Memset|Memcpy"),
)
BYTES = 2
DECODER_WIDTHS, DECODER_INNERS = 28, 8
"""Element-wise work of a layer: so many times its width, its inner width, is read or written, forward and backward."""


def profiled(contender: Contender, setting: Setting, note: Note, rows: int = 40) -> None:
    """The kernels of one step by their time, and by kind."""
    release()
    step = step_of(contender, setting)
    for _ in range(4):
        step()
    wait()
    kinds = [torch.profiler.ProfilerActivity.CPU if IS_TRIAL else torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        step()
        wait()
    kernels = by_time(profile)
    kinds_ms = by_kind(kernels)
    note({"who": contender.name, "profile": kernels[:rows], "by_kind": kinds_ms})
    print(f"{contender.name}: {sum(ms for ms, _ in kinds_ms.values()):.1f} ms in {_count(kernels)} kernels", flush=True)
    for kind, (ms, count) in sorted(kinds_ms.items(), key=lambda one: -one[1][0]):
        print(f"{ms:9.2f} ms {count:6} x {kind}", flush=True)
    for one in kernels[:12]:
        print(f"{one['ms']:9.2f} ms {one['count']:6} x {one['kernel'][:110]}", flush=True)


def by_time(looked: torch.profiler.profile) -> list[dict[str, Any]]:
    """All kernels that were seen, the longest first."""
    kernels = [{"kernel": one.key, "ms": _us(one) / 1e3, "count": one.count} for one in looked.key_averages()]
    return sorted(kernels, key=lambda one: -one["ms"])


def _us(event: Any) -> float:
    return float(event.self_cpu_time_total if IS_TRIAL else event.self_device_time_total)


def _count(kernels: list[dict[str, Any]]) -> int:
    return sum(one["count"] for one in kernels if one["ms"] > 0)


def by_kind(kernels: list[dict[str, Any]]) -> dict[str, tuple[float, int]]:
    """Milliseconds and number of each kind."""
    found: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for one in kernels:
        kind = next((name for name, pattern in KINDS if re.search(pattern, one["kernel"])), "others")
        ms, count = found[kind]
        found[kind] = (ms + one["ms"], count + one["count"])
    return dict(found)


def floors(setting: Setting, note: Note) -> None:
    """The card's rates, measured now, and what each kind of work takes at them at least."""
    release()
    size = 64 if IS_TRIAL else 8192
    one, other = (torch.randn(size, size, device=DEVICE, dtype=DTYPE) for _ in range(2))
    flops = 2 * size**3 / seconds(lambda: one @ other)
    large = torch.empty(size * size * 16, device=DEVICE, dtype=DTYPE)
    target = torch.empty_like(large)
    bandwidth = 2 * large.nbytes / seconds(lambda: target.copy_(large))
    least = {name: 1000 * work / rate for name, (work, rate) in _work(setting, flops, bandwidth).items()}
    note({"who": "floors", "tflop_per_s": flops / 1e12, "gb_per_s": bandwidth / 1e9, "least_ms": least})
    print(f"products {flops / 1e12:.0f} TFLOP/s, memory {bandwidth / 1e9:.0f} GB/s; a step takes at least", flush=True)
    for name, ms in least.items():
        print(f"{ms:9.2f} ms in {name}", flush=True)


def _work(setting: Setting, flops: float, bandwidth: float) -> dict[str, tuple[float, float]]:
    """Operations or bytes of a step, and their rate. Adapters: inputs read twice, their gradients read and written
    once, outputs' gradients read once, with linears of one input together."""
    sizes = sizes_of(model_config(), TEXT_TOKENS)
    decoder = sizes.decoder
    places = setting.batch * decoder.count * decoder.places
    widths = DECODER_WIDTHS * decoder.width + DECODER_INNERS * decoder.inner
    return {
        "wide products": (sum(_operations(one, setting) for one in sizes.blocks), flops),
        "attention": (sum(3.5 * 2 * one.places * _values(one, setting) for one in sizes.blocks[:3]), flops),
        "narrow products": (sum(_adapter_bytes(one, setting) for one in sizes.blocks), bandwidth),
        "element-wise, decoder": (places * widths * BYTES, bandwidth),
    }


def _operations(block: BlockSize, setting: Setting) -> float:
    return 4.0 * setting.batch * block.places * block.count * block.weights


def _values(block: BlockSize, setting: Setting) -> float:
    """Numbers of all states of one width; causal attention does half of twice as many products."""
    return float(setting.batch * block.places * block.count * block.width)


def _adapter_bytes(block: BlockSize, setting: Setting) -> float:
    is_decoder = len(block.linears) == 7
    ins = [*[block.width] * 3, block.inner] if is_decoder else [inputs for inputs, _ in block.linears]
    outs = sum(outputs for _, outputs in block.linears)
    return float(setting.batch * block.places * block.count * (4 * sum(ins) + outs) * BYTES)


def seconds(work: Callable[[], object], repeats: int = 20) -> float:
    """Of one call, of many behind each other."""
    for _ in range(3):
        work()
    wait()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return (time.perf_counter() - started) / repeats
