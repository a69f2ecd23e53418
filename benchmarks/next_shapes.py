"""Products and attention of a step by their shapes: which rows, layouts and kernels are fastest on this card.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/next_shapes.py [--out FILE]

Under a minute on an H200. Products: the decoder's frozen weights, forward and backward, at the rows of batch 16 with
texts of 32 to 40 tokens; backward also over a transposed copy of the weights. Attention: forward and backward of each
kind of block, by each of torch's kernels, SigLIP's heads of 72 also padded to 80 and 128. On a CPU the script is tried
in small.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from speed_place import DEVICE, DTYPE, IS_TRIAL
from speed_profile import seconds
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from vlatrain.fast.capture import captured, warm_up

ROWS = (4608, 4640, 4672, 4736)
"""16 x 288 (whole tiles of 128), 290, 292 (texts of 34 padded to 36), 296"""
LINEARS = {
    "queries": (4096, 4096),
    "queries, keys, values": (12288, 4096),
    "gate, up": (22016, 4096),
    "down": (4096, 11008),
}
HEADS = {"decoder": (32, 290, 128, True), "DINOv2": (16, 261, 64, False), "SigLIP": (16, 256, 72, False)}
"""Number of heads, places, size of a head, whether causal; 16 rows"""
BACKENDS = {"cuDNN": "CUDNN_ATTENTION", "flash": "FLASH_ATTENTION", "efficient": "EFFICIENT_ATTENTION", "plain": "MATH"}
SMALLER = 16 if IS_TRIAL else 1
REPEATS = 2 if IS_TRIAL else 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = []
    for row in (*products(), *attentions()):
        print(
            ", ".join(f"{name} {one:.4g}" if isinstance(one, float) else str(one) for name, one in row.items()),
            flush=True,
        )
        found.append(row)
        if options.out:
            options.out.write_text(json.dumps(found, indent=1) + "\n")


def products() -> Iterator[dict[str, Any]]:
    for name, (n_out, n_in) in LINEARS.items():
        weight = torch.randn(n_out // SMALLER, n_in // SMALLER, device=DEVICE, dtype=DTYPE)
        turned = weight.t().contiguous()
        for rows in ROWS:
            inputs = torch.randn(rows // SMALLER, weight.shape[1], device=DEVICE, dtype=DTYPE)
            gradient = torch.randn(rows // SMALLER, weight.shape[0], device=DEVICE, dtype=DTYPE)
            ways: dict[str, Callable[[], Tensor]] = {
                "forward": partial(torch.matmul, inputs, weight.t()),
                "backward": partial(torch.matmul, gradient, weight),
                "backward, transposed copy": partial(torch.matmul, gradient, turned.t()),
            }
            for way, product in ways.items():
                seconds = replayed(product)
                tflops = 2 * inputs.shape[0] * weight.numel() / seconds / 1e12
                yield {"product": name, "rows": rows, "way": way, "ms": 1000 * seconds, "tflop_per_s": tflops}


def attentions() -> Iterator[dict[str, Any]]:
    for name, (heads, places, size, is_causal) in HEADS.items():
        for padded in (size, *((80, 128) if size == 72 else ())):
            shape = (16 // SMALLER or 1, heads, places, padded)
            for told, backend in BACKENDS.items():
                row = {"attention": name, "head": padded, "by": told}
                try:
                    yield {**row, "ms": 1000 * attention_s(shape, SDPBackend.__members__[backend], is_causal=is_causal)}
                except RuntimeError as error:
                    yield {**row, "cannot": str(error).splitlines()[0][:80]}


def attention_s(shape: tuple[int, ...], backend: SDPBackend, *, is_causal: bool) -> float:
    """Seconds forward and backward, heads laid out as the blocks have them."""
    batch, heads, places, size = shape
    joint = torch.randn(batch, places, 3, heads, size, device=DEVICE, dtype=DTYPE, requires_grad=True)
    gradient = torch.randn(batch, heads, places, size, device=DEVICE, dtype=DTYPE)

    def work() -> Tensor:
        query, key, value = joint.permute(2, 0, 3, 1, 4).unbind(0)
        with sdpa_kernel(backend):
            out = F.scaled_dot_product_attention(query, key, value, is_causal=is_causal)
        (found,) = torch.autograd.grad(out, joint, gradient)
        return found

    return replayed(work)


def replayed(work: Callable[[], Tensor]) -> float:
    """Seconds of one call: of several behind each other in a graph, where there are graphs."""
    if IS_TRIAL:
        return seconds(work, REPEATS)

    def all_repeats() -> None:
        for _ in range(REPEATS):
            work()

    warm_up(work, 3)
    graph, _ = captured(all_repeats)
    return seconds(graph.replay, 3) / REPEATS


if __name__ == "__main__":
    main()
