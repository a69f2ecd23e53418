"""What the loader can feed at most, and whether a step ever waits for it.

    PYTHONPATH=supervisor:trainer:tui:tests/support python benchmarks/loader.py [--step 0.2] [--threads 0 1 4]

Frames are 256 x 256 JPEGs of an RLDS set, in the order of training, with texts and pinned memory where there is a GPU.
Beside it the path of the original script: each picture by Pillow, resized and normalised twice on the host. A step is
stood for by sleeping; `gpu_bench.py loader` trains with these batches.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from seven_b_run import episodes
from vlatrain.data.batches import IGNORED, Batch, Batches
from vlatrain.data.jpeg import encoded
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.model.action_tokens import ActionTokenizer

BATCH, PROMPT = 16, 26
FILLER, END = 5, 2
PUBLISHED = ActionTokenizer(256, 32_000)
NAME = "libero_made"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=float, default=0.2, help="seconds of a step (default 0.2, of 16 samples)")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, nargs="*", default=[0, 1, 4])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        frames = made_set(Path(folder))
        others = as_the_original(16)
        print(f"one by one, by Pillow, resized and normalised on the host: {others:.0f} frames/s")
        for threads in options.threads:
            most = fastest(loader(frames, threads), options.steps)
            waited = waits(loader(frames, threads), options.step, options.steps)
            print(
                f"{threads} threads: {most:.0f} frames/s at most ({most / others:.1f} times as many, "
                f"{most * options.step / BATCH:.0f} times what a step of {options.step} s takes); such steps wait "
                f"{1000 * statistics.median(waited):.2f} ms, {1000 * max(waited):.2f} at most"
            )


def made_set(folder: Path) -> RLDSDataset:
    write_rlds(folder, NAME, episodes(), 2)
    return RLDSDataset(folder / NAME)


def loader(frames: RLDSDataset, threads: int, batch_size: int = BATCH, actions: ActionTokenizer = PUBLISHED) -> Batches:
    """As a run has it, but for the tokenizer: texts have one length."""

    def training_ids(_: str, ids: list[int]) -> tuple[list[int], list[int]]:
        answer = [*ids, END]
        return [FILLER] * PROMPT + answer, [IGNORED] * PROMPT + answer

    prompts: Any = SimpleNamespace(training_ids=training_ids)
    return Batches(
        frames,
        prompts,
        actions,
        pad_token_id=0,
        batch_size=batch_size,
        seed=7,
        num_workers=threads,
        pin_memory=torch.cuda.is_available(),
    )


def fastest(batches: Batches, count: int) -> float:
    """Frames a second, when nobody does anything but take batches."""
    stream = batches.stream(0)
    next(stream)
    started = time.perf_counter()
    taken = sum(len(next(stream).images) for _ in range(count))
    rate = taken / (time.perf_counter() - started)
    stream.close()
    return rate


def waits(batches: Batches, step_s: float, count: int) -> list[float]:
    """Seconds that each of `count` steps, the first one left out, waits for its batch."""
    stream = batches.stream(0)
    next(stream)
    found = []
    for _ in range(count):
        time.sleep(step_s)
        started = time.perf_counter()
        next(stream)
        found.append(time.perf_counter() - started)
    stream.close()
    return found


class Timed:
    """A stream of batches that remembers how long each was waited for."""

    def __init__(self, stream: Iterator[Batch]) -> None:
        self._stream = stream
        self.waited_s: list[float] = []

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        started = time.perf_counter()
        batch = next(self._stream)
        self.waited_s.append(time.perf_counter() - started)
        return batch


def as_the_original(count: int) -> float:
    """Frames a second of one thread, picture by picture."""
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    content = encoded(picture)
    started = time.perf_counter()
    for _ in range(count):
        resized = Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224), Image.Resampling.LANCZOS)
        values = torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).float() / 255
        torch.cat([(values - 0.45) / 0.225, (values - 0.5) / 0.5])
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
