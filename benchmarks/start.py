"""What a start waits for before it trains: libraries, and weights that are not in memory yet.

    PYTHONPATH=supervisor:trainer python benchmarks/start.py [--gigabytes 1] [--rounds 3] [--out FOLDER]

Each way in a process of its own, in turns, with files that the system has just forgotten: weights that are asked for
before the libraries are imported, as the trainer does, and weights that are read behind them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

LIBRARIES = ("torch", "peft", "vlatrain.train.session")
PIECE_BYTES = 64 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder on the disk to measure (a temporary one)")
    parser.add_argument("--child", choices=["ahead", "behind"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(loaded(options.out, is_ahead=options.child == "ahead")))
        return
    with tempfile.TemporaryDirectory(dir=options.out) as name:
        folder = Path(name)
        write_weights(folder, max(1, round(options.gigabytes * 1e9 / PIECE_BYTES)))
        rounds = [{way: in_a_process(folder, way) for way in ("ahead", "behind")} for _ in range(options.rounds)]
    report(rounds, options.gigabytes)


def report(rounds: list[dict[str, dict[str, float]]], gigabytes: float) -> None:
    found = {
        way: {name: statistics.median(one[way][name] for one in rounds) for name in rounds[0][way]}
        for way in ("behind", "ahead")
    }
    for name in LIBRARIES:
        print(f"import {name}: {found['behind'][name]:.2f} s")
    for way, told in found.items():
        read_s, all_s = told["read_s"], told["all_s"]
        print(f"weights of {gigabytes:g} GB asked for {way}: {read_s:.2f} s of reading, {all_s:.2f} s in all")
    print(f"read ahead, a start takes {found['ahead']['all_s'] / found['behind']['all_s']:.2f} of the time")


def write_weights(folder: Path, pieces: int) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        for _ in range(pieces):
            file.write(os.urandom(PIECE_BYTES))
        os.fsync(file.fileno())


def in_a_process(folder: Path, way: str) -> dict[str, float]:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    words = [sys.executable, __file__, "--child", way, "--out", str(folder)]
    told: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return told


def loaded(folder: Path, *, is_ahead: bool) -> dict[str, float]:
    """Seconds of each import, of reading, and of all."""
    from vlatrain.ahead import read_ahead

    began = time.perf_counter()
    if is_ahead:
        read_ahead(folder)
    found = {}
    for name in LIBRARIES:
        started = time.perf_counter()
        import_module(name)
        found[name] = time.perf_counter() - started
    started = time.perf_counter()
    with (folder / "model.safetensors").open("rb") as file:
        while file.read(PIECE_BYTES):
            pass
    return {**found, "read_s": time.perf_counter() - started, "all_s": time.perf_counter() - began}


if __name__ == "__main__":
    main()
