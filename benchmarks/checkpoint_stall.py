"""How long training waits for a checkpoint: written in place, and copied to the host and written in the background.

`python benchmarks/checkpoint_stall.py [--size small|7b] [--out FOLDER]`. Both ways save the same tensors into the same
kind of folder (fsync, checksums, rename), in turns, in one run. Sizes are those of LoRA adapters with AdamW's moments.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from vlatrain.train.checkpoint import CheckpointFolder
from vlatrain.train.contents import save_torch
from vlatrain.train.saving import COPIES
from vlatrain.train.staging import Staging, size_bytes

RANK = 32
SHAPES = {
    # of the decoder's linear layers: (layers, [(inputs, outputs)]); a 7B model has these 32 times
    "small": (4, [(256, 256)] * 4 + [(256, 688)] * 2 + [(688, 256)]),
    "7b": (32, [(4096, 4096)] * 4 + [(4096, 11008)] * 2 + [(11008, 4096)]),
}


def adapters(size: str, device: torch.device) -> dict[str, Tensor]:
    layers, shapes = SHAPES[size]
    tensors = {}
    for layer in range(layers):
        for number, (inputs, outputs) in enumerate(shapes):
            tensors[f"{layer}.{number}.lora_A.weight"] = torch.randn(RANK, inputs, device=device)
            tensors[f"{layer}.{number}.lora_B.weight"] = torch.randn(outputs, RANK, device=device)
    return tensors


def trained(weights: dict[str, Tensor]) -> dict[str, Any]:
    """As a checkpoint holds it: weights, and what the optimizer keeps of each."""
    state = {
        number: {"step": torch.tensor(1.0), "exp_avg": torch.rand_like(one), "exp_avg_sq": torch.rand_like(one)}
        for number, one in enumerate(weights.values())
    }
    return {"weights": weights, "trainer": {"global_step": 1, "optimizer": {"state": state}}}


def write(folder: CheckpointFolder, step: int, tree: dict[str, Any]) -> None:
    def fill(aside: Path) -> None:
        save_file({name: one.cpu() for name, one in tree["weights"].items()}, aside / "adapter_model.safetensors")
        save_torch(tree["trainer"], aside / "trainer_state.pt")

    folder.write(step, fill, 0)
    folder.prune(None)


def one_step(weights: Tensor) -> float:
    """Seconds of some work on the device."""
    started = time.perf_counter()
    for _ in range(8):
        weights = torch.nn.functional.normalize(weights @ weights)
    if weights.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", choices=SHAPES, default="small")
    options.add_argument("--saves", type=int, default=4)
    options.add_argument("--out", type=Path, help="folder on the disk to measure (a temporary one)")
    chosen = options.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tree = trained(adapters(chosen.size, device))
    work = torch.randn(4096 if device.type == "cuda" else 512, 4096 if device.type == "cuda" else 512, device=device)
    one_step(work)
    root = Path(tempfile.mkdtemp(dir=chosen.out))
    try:
        measure(tree, lambda: one_step(work), CheckpointFolder(path=root, keep=1), chosen.saves, device)
    finally:
        shutil.rmtree(root)


def measure(
    tree: dict[str, Any], step: Callable[[], float], folder: CheckpointFolder, saves: int, device: torch.device
) -> None:
    quiet = statistics.median(step() for _ in range(20))
    staging, writer = Staging(), ThreadPoolExecutor(1)
    print(f"{device}: {size_bytes(tree) / 1e6:.1f} MB a checkpoint, step {1000 * quiet:.1f} ms")
    started = time.perf_counter()
    staging.reserve(tree["weights"].values(), COPIES)
    print(f"memory for copies taken in {time.perf_counter() - started:.2f} s, before the first step")
    for number in range(saves):
        started = time.perf_counter()
        write(folder, 2 * number, tree)
        in_place_s = time.perf_counter() - started

        started = time.perf_counter()
        copy = staging.copied(tree)
        job = writer.submit(write, folder, 2 * number + 1, copy)
        stall_s = time.perf_counter() - started
        during = []
        while not job.done():
            during.append(step())
        write_s = time.perf_counter() - started
        job.result()
        slowest, usual = (f"{1000 * one:.1f}" for one in (max(during, default=0), statistics.median(during or [0])))
        print(
            f"save {number}: in place stalls {1000 * in_place_s:.1f} ms; in the background {1000 * stall_s:.1f} ms, "
            f"written in {1000 * write_s:.0f} ms, steps meanwhile {usual} ms, the slowest {slowest} ms"
        )
    writer.shutdown()


if __name__ == "__main__":
    main()
