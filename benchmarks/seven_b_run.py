"""A whole run of the 7B with random weights under vlad: start, stop half-way, resume, end. Tells time and memory.

    PYTHONPATH=supervisor:trainer:tui:tests/support python3 benchmarks/seven_b_run.py [--out FILE]
    ... benchmarks/seven_b_run.py --size tiny --steps 12     the same story without a GPU

Needs one GPU of 80 GB or more, and 20 GB of disk. Exit status 1 where something was not as it should be.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import yaml
from made_base import INSTRUCTIONS, config_of, made_base
from vlad.host.gpu_probe import read_gpus
from vlad.records.progress import CheckpointSaved, Phase, PhaseChange, Plan, ProgressLine, Step
from vlad.records.run import State
from vlad.records.rundir import Home, RunDirectory
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.sim.episode import Episode
from vlatrain.train.verifying import findings

PATIENCE_S = 300.0
BOOT = (sys.executable, "-c", "from vlad.cli import main; main()")
SETTINGS: dict[str, Any] = {
    "vla_path": "base",
    "dataset_name": "libero_made",
    "batch_size": 16,
    "lora_rank": 32,
    "learning_rate": 5e-4,
    "num_workers": 4,
    "use_wandb": False,
    "enable_periodic_eval": False,
}
LineKind = TypeVar("LineKind", bound=ProgressLine)


@dataclass
class Figures:
    """Seconds and bytes; `device_bytes` is what the driver says that the whole GPU holds, at most."""

    size: str
    device: str
    batch_size: int
    steps: int
    stopped_at: int = 0
    base_made_s: float = 0
    first_step_s: list[float] = field(default_factory=list)
    stopped_in_s: float = 0
    step_s: float = 0
    samples_per_s: float = 0
    first_loss: float = 0
    last_loss: float = 0
    tensor_bytes: int | None = None
    device_bytes: int | None = None
    checkpoint_bytes: int | None = None
    stall_s: list[float] = field(default_factory=list)
    write_s: list[float] = field(default_factory=list)


class Story:
    """The run in a folder of its own, told as it happens."""

    def __init__(self, folder: Path, size: str, steps: int) -> None:
        self.folder, self.steps = folder, steps
        has_gpu = torch.cuda.is_available()
        device = torch.cuda.get_device_name() if has_gpu else "cpu"
        self.device = "cuda" if has_gpu else "cpu"
        self.settings = {**SETTINGS, "device": self.device, "max_steps": steps, "save_steps": steps // 2}
        if size == "tiny":
            self.settings |= {"batch_size": 2, "lora_rank": 4, "num_workers": 0, "learning_rate": 1e-2}
        self.found = Figures(size, device, self.settings["batch_size"], steps)
        self.home = Home(folder / "home")
        self.began = time.monotonic()
        self.failures = 0
        os.environ["VLAD_HOME"] = str(self.home.path)
        os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(one).resolve()) for one in sys.path if one)

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self.began:7.2f} s  {words}", flush=True)

    def expect(self, what: str, holds: bool) -> None:
        self.failures += not holds
        self.say(f"{'ok ' if holds else 'NOT'} {what}")

    def vlad(self, *words: str) -> str:
        done = subprocess.run([*BOOT, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(f"vlad {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def tell(self) -> int:
        self.prepare()
        run = self.start()
        self.wait(run, "half of the steps", lambda: self.last_step(run) >= self.steps // 2 + 1)
        self.stop(run)
        self.resume(run)
        self.check(run)
        return min(self.failures, 1)

    def prepare(self) -> None:
        started = time.monotonic()
        made_base(self.folder / "base", config_of(self.found.size), self.device)
        if self.device == "cuda":
            torch.cuda.empty_cache()
        self.found.base_made_s = time.monotonic() - started
        self.say(f"base model written in {self.found.base_made_s:.1f} s")
        write_rlds(self.folder / "datasets", "libero_made", episodes(), 2)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.settings))

    def start(self) -> RunDirectory:
        words = ("--config", str(self.folder / "config.yaml"), "--project-root", str(self.folder))
        self.vlad("start", "1", *words, "--name", "seven")
        return self.home.find("seven")

    def told(self, run: RunDirectory, kind: type[LineKind]) -> list[LineKind]:
        return [line for line in run.read_progress()[0] if isinstance(line, kind)]

    def last_step(self, run: RunDirectory) -> int:
        return max((line.step for line in self.told(run, Step)), default=0)

    def wait(self, run: RunDirectory, what: str, is_so: Callable[[], bool]) -> None:
        """Polls, and looks at the GPU meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            record = run.read_record()
            if record.state is State.FAILED or time.monotonic() > deadline:
                raise SystemExit(f"{what} did not come: {record.state}\n{self.vlad('logs', 'seven')[-3000:]}")
            used = max((gpu.used_bytes or 0 for gpu in read_gpus().gpus), default=0) if self.device == "cuda" else 0
            self.found.device_bytes = max(self.found.device_bytes or 0, used) or None
            time.sleep(0.5)
        self.say(what)

    def stop(self, run: RunDirectory) -> None:
        asked = time.monotonic()
        self.vlad("stop", "seven")
        self.wait(run, "stopped", lambda: run.read_record().state is State.STOPPED)
        self.found.stopped_in_s = time.monotonic() - asked
        self.found.stopped_at = self.last_step(run)
        saved = self.told(run, CheckpointSaved)[-1]
        self.expect(f"the step of the stop, {self.found.stopped_at}, is saved", saved.step == self.found.stopped_at)
        self.expect("in the middle of the run", saved.step < self.steps)

    def resume(self, run: RunDirectory) -> None:
        self.vlad("resume", "seven")
        self.wait(run, "the run has ended", lambda: run.read_record().state is State.SUCCEEDED)

    def check(self, run: RunDirectory) -> None:
        """Each step once, learned from, saved whole; and the figures of it."""
        steps, plans, saves = self.told(run, Step), self.told(run, Plan), self.told(run, CheckpointSaved)
        self.expect("each step was made once", [one.step for one in steps] == list(range(1, self.steps + 1)))
        self.expect("the second attempt began where the first ended", plans[-1].start_step == self.found.stopped_at)
        losses = [one.loss or 0.0 for one in steps]
        self.expect("it learns", statistics.fmean(losses[-5:]) < losses[0] - 0.5)
        self.say("the last checkpoint: " + "; ".join(findings(Path(saves[-1].path))))
        self.figures(run, steps, saves)

    def figures(self, run: RunDirectory, steps: list[Step], saves: list[CheckpointSaved]) -> None:
        found = self.found
        loading = [
            line.at for line in self.told(run, PhaseChange) if line.phase is Phase.LOADING and line.detail == "data"
        ]
        firsts = [steps[0], steps[found.stopped_at]]
        found.first_step_s = [first.at - begun for first, begun in zip(firsts, loading, strict=False)]
        usual = steps[3 : found.stopped_at] + steps[found.stopped_at + 3 :]
        found.step_s = statistics.median(one.step_s or 0.0 for one in usual)
        found.samples_per_s = found.batch_size / found.step_s
        found.first_loss, found.last_loss = steps[0].loss or 0.0, steps[-1].loss or 0.0
        found.tensor_bytes = max((one.memory_bytes or 0 for one in steps), default=0) or None
        found.checkpoint_bytes = saves[-1].size_bytes
        found.stall_s = [one.stall_s for one in saves if one.stall_s is not None]
        found.write_s = [one.write_s for one in saves if one.write_s is not None]


def episodes(count: int = 24, frames: int = 60) -> Iterator[Episode]:
    """Pictures of 256 x 256 with a block whose place tells the action."""
    for number in range(count):
        rng = np.random.default_rng(number)
        places = rng.uniform(-1, 1, (frames, 7)).astype(np.float32)
        images = np.full((frames, 256, 256, 3), 90, dtype=np.uint8)
        for image, place in zip(images, places, strict=True):
            row, column = ((place[:2] + 1) * 100).astype(int)
            image[row : row + 50, column : column + 50] = (200, 60, 30)
        words = INSTRUCTIONS[number % len(INSTRUCTIONS)]
        yield Episode(task=words, instruction=words, images=images, actions=places)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "7b"], default="7b")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seven-") as folder:
        story = Story(Path(folder), options.size, options.steps)
        try:
            status = story.tell()
        finally:
            subprocess.run([*BOOT, "stop", "seven", "--now"], capture_output=True, stdin=subprocess.DEVNULL)
    told = json.dumps(asdict(story.found), indent=1)
    print(told)
    if options.out:
        options.out.write_text(told + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
