"""Seconds that a step of a LIBERO recipe takes here, by the trainer itself on a few made frames.

    python3 benchmarks/libero_pace.py configs/libero_small.yaml --fresh "--wrist --proprio" -- --set batch_size=128

What follows -- is taken as `vlad start` takes it. Where a step fails, `--otherwise "compile=off cuda_graph=off"` is
added, and printed before the seconds.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.sim.episode import Episode

INSTRUCTION = "pick up the black bowl between the plate and the ramekin and place it on the plate"
FRAMES, STEPS = 40, 100
MADE = {
    "max_steps": STEPS,
    "save_steps": 10 * STEPS,
    "lr_warmup_steps": 1,
    "log_every_steps": STEPS // 5,
    "enable_periodic_eval": "false",
    "early_stopping_enabled": "false",
}


def episode(number: int) -> Episode:
    draws = np.random.default_rng(number)
    shape = (FRAMES, 256, 256, 3)
    return Episode(
        task="made",
        instruction=INSTRUCTION,
        images=draws.integers(0, 256, shape, dtype=np.uint8),
        actions=draws.uniform(-1, 1, (FRAMES, 7)).astype(np.float32),
        wrist_images=draws.integers(0, 256, shape, dtype=np.uint8),
        states=draws.normal(size=(FRAMES, 8)).astype(np.float32),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--fresh", default="--wrist --proprio")
    parser.add_argument("--processes", type=int, default=1, help="ranks, one a GPU")
    parser.add_argument("--otherwise", metavar="SETTINGS", default="")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:end])
    arguments.settings = words[end + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        fresh_model(arguments, Path(folder))
        for tried in dict.fromkeys(((), tuple(arguments.otherwise.split()))):
            told = stretches(arguments, Path(folder), tried)
            if told:
                print(*tried, min(told))
                return
    sys.exit(1)


def fresh_model(arguments: argparse.Namespace, folder: Path) -> None:
    data = write_rlds(folder / "datasets", "libero_spatial_no_noops", [episode(0), episode(1)], 1)
    fresh = ["--data", str(data), "--out", str(folder / "bases" / "made"), *arguments.fresh.split()]
    subprocess.run([sys.executable, "-m", "vlatrain.tools", "fresh", *fresh], check=True, stdout=sys.stderr)


def stretches(arguments: argparse.Namespace, folder: Path, tried: Sequence[str]) -> list[float]:
    """Seconds a step of each logged stretch but the first; none where it fails."""
    asked = dict(word.split("=", 1) for word in [*arguments.settings, *tried] if "=" in word)
    settings = {**asked, **MADE, "vla_path": "bases/made", "project_root": folder}
    words = [f"--{name}={value}" for name, value in settings.items()]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(arguments.processes)]
    launcher = several if arguments.processes > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "vlatrain", str(arguments.config), *words], capture_output=True, text=True
    )
    found = [float(number) for number in re.findall(r"sec/step=([\d.]+)", done.stdout)]
    if done.returncode or len(found) < 2:
        print(done.stderr[-2000:], file=sys.stderr)
        return []
    return found[1:]


if __name__ == "__main__":
    main()
