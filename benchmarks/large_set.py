"""A data set of a million frames: how long its first and its second opening take, how fast frames come, what it holds.

    PYTHONPATH=supervisor:trainer python benchmarks/large_set.py [--frames 1000000] [--out FOLDER]

Each opening is in a process of its own. The first walks the files and writes the index, which is what a reader without
an index does at every start; the second maps it. Memory is counted without the pages of mapped files, which the system
takes back when it needs them; it is to depend neither on the frames of the set nor on how many were read.
Takes about half a minute and 1 GB of disk for a million frames of 32 x 32.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from vlatrain.data.jpeg import encoded
from vlatrain.data.order import indices_at
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.rlds_writer import EncodedEpisode, write_rlds

NAME = "libero_large_no_noops"
STEPS = 500
SHARDS = 16
READS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, help="folder on the disk to measure (a temporary one)")
    parser.add_argument("--opened", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.opened:
        print(json.dumps(opened(options.opened)))
        return
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        report(Path(folder), options.frames)


def report(folder: Path, frames: int) -> None:
    found = {}
    for count in (frames // 10, frames):
        started = time.perf_counter()
        made = write_rlds(folder / str(count), NAME, episodes(count), SHARDS)
        size = sum(path.stat().st_size for path in made.rglob("*.tfrecord*"))
        print(f"{count:,} frames, {size / 1e6:.0f} MB, written in {time.perf_counter() - started:.1f} s", flush=True)
        for which in ("first", "second"):
            found[count, which] = one = in_a_process(made)
            print(
                f"  {which:>6} opening {one['open_s']:6.3f} s; then {one['frames_per_s']:.0f} frames/s in the order of "
                f"training; memory: opening {one['opened_bytes'] / 1e6:+.0f} MB, reading {one['read_bytes'] / 1e6:+.0f}"
            )
    first, second = found[frames, "first"], found[frames, "second"]
    print(f"the second opening is {first['open_s'] / second['open_s']:.0f} times as fast as the first")


def in_a_process(folder: Path) -> dict[str, float]:
    words = [sys.executable, __file__, "--opened", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def opened(folder: Path) -> dict[str, float]:
    before = own_bytes()
    started = time.perf_counter()
    dataset = RLDSDataset(folder)
    open_s, after = time.perf_counter() - started, own_bytes()
    started = time.perf_counter()
    for place in indices_at(7, len(dataset), np.arange(READS)):
        _ = dataset[int(place)]
    read_s = time.perf_counter() - started
    return {
        "open_s": open_s,
        "frames_per_s": READS / read_s,
        "opened_bytes": after - before,
        "read_bytes": own_bytes() - after,
    }


def own_bytes() -> int:
    """Memory of this process that is no mapped file."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def episodes(frames: int) -> Iterator[EncodedEpisode]:
    rng = np.random.default_rng(1)
    pictures = [encoded(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(64)]
    for number in range(frames // STEPS):
        places = rng.integers(0, len(pictures), STEPS)
        yield EncodedEpisode(
            task=f"task {number % 10}",
            instruction=f"put block {number % 10} in the bowl",
            image_shape=(32, 32, 3),
            images=[pictures[place] for place in places],
            actions=rng.uniform(-1, 1, (STEPS, 7)).astype(np.float32),
        )


if __name__ == "__main__":
    main()
