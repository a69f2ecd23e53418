"""Whether a policy without memory can learn from the scripted expert's demonstrations, told without a picture or a GPU.

    PYTHONPATH=supervisor:trainer python3 benchmarks/libero_proxy.py OUT --noise-mm 6 10     goes on where it was

Instead of a picture the policy sees where hand, bowl, plate and what stands around are, each wrongly by an error of
--noise-mm (standard deviation, in each direction; angles and the fingers' opening likewise), at this instant only. A
small network learns the tokens of the next actions from --demonstrations shaky episodes a task and plays fresh scenes.
The table tells its success and how the other episodes ended: what spoils a policy here spoils one from pixels too.
"""

import argparse
import json
import os
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from libero_proxy_policy import BINS, TASKS, errors, features
from torch import nn
from vlad.records.interval import wilson_interval
from vlatrain.data.hdf5 import moving
from vlatrain.sim.finding import found_libero

ROOT = Path(__file__).resolve().parents[1]
WIDTH, BATCH, RATE, DECAY = 256, 512, 1.5e-3, 0.05
KEPT = 0.995
"""Of the mean of the weights, a step."""
SOFT_BINS = 3 * 2 / 255
"""Standard deviation of a target, in a range of 2: three of 256 bins, as in configs/libero_small.yaml."""


def simulate(python: str, *words: object) -> None:
    """Runs libero_proxy_scenes.py in the simulators' Python. Raises CalledProcessError."""
    environment = {"MUJOCO_GL": "osmesa", "OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(ROOT / "trainer")}
    argv = [python, str(ROOT / "benchmarks" / "libero_proxy_scenes.py"), *map(str, words)]
    subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)


class Frames:
    """All frames: what is seen [N, SEEN], the next actions in [-1, 1] [N, chunk, 7], and which of these there were."""

    def __init__(self, folder: Path, tasks: list[int], chunk: int) -> None:
        seen, actions, real, numbers = [], [], [], []
        for task in tasks:
            for path in sorted(folder.glob(f"{task}-*.npz")):
                with np.load(path) as episode:
                    kept = moving(episode["actions"])
                    seen.append(episode["seen"][kept])
                    done = episode["actions"][kept]
                ahead = np.arange(len(done))[:, None] + np.arange(chunk)
                actions.append(done[np.minimum(ahead, len(done) - 1)])
                real.append(ahead < len(done))
                numbers += [task] * len(done)
        self.seen, self.real, self.tasks = np.concatenate(seen), np.concatenate(real), np.array(numbers)
        found = np.concatenate(actions)
        self.low, self.high = np.quantile(found[:, 0], [0.01, 0.99], axis=0)
        self.low[6], self.high[6] = -1.0, 1.0
        self.actions = np.clip(2 * (found - self.low) / (self.high - self.low) - 1, -1, 1)


def network(inputs: int, chunk: int) -> nn.Sequential:
    sizes = (inputs, WIDTH, WIDTH, WIDTH)
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, chunk * 7 * BINS))


def train(frames: Frames, noise_m: float, steps: int, path: Path) -> None:
    """A network that sees each frame with new errors each time; the mean of its weights goes into the file."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    count, chunk = frames.real.shape
    sight, inputs = errors(noise_m), features(frames.seen[:1], frames.tasks[:1]).shape[1]
    model = network(inputs, chunk)
    mean = [value.detach().clone() for value in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps, pct_start=0.05)
    centres = torch.linspace(-1, 1, BINS)
    for _ in range(steps):
        chosen = rng.integers(count, size=BATCH)
        seen = frames.seen[chosen] + sight * rng.normal(size=(BATCH, len(sight)))
        logits = model(torch.from_numpy(features(seen, frames.tasks[chosen]))).view(BATCH, chunk, 7, BINS)
        wanted = torch.from_numpy(frames.actions[chosen].astype(np.float32))
        targets = torch.softmax(-0.5 * ((wanted[..., None] - centres) / SOFT_BINS) ** 2, -1)
        real = torch.from_numpy(frames.real[chosen])
        loss = -(targets * torch.log_softmax(logits, -1)).sum(-1).mean(-1)[real].mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        for value, new in zip(mean, model.parameters(), strict=True):
            value.lerp_(new.detach(), 1 - KEPT)
    layers: dict[str, Any] = {f"layer{number}": value.numpy() for number, value in enumerate(mean)}
    np.savez(path, low=frames.low, high=frames.high, **layers)


def row(noise_mm: float, execution: str, path: Path, tasks: list[int]) -> str:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    won = sum(line["success"] for line in lines)
    low, high = wilson_interval(won, len(lines))
    by_task = [[line["success"] for line in lines if line["task"] == task] for task in tasks]
    each = ", ".join(f"{task}: {sum(mine)}/{len(mine)}" for task, mine in zip(tasks, by_task, strict=True))
    ends = Counter(line["end"] for line in lines if not line["success"])
    lost = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    return f"| {noise_mm:g} | {execution} | {won}/{len(lines)} | {low:.0f}-{high:.0f} | {each} | {lost} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 6, 9], choices=range(TASKS), metavar="0-9")
    parser.add_argument("--demonstrations", type=int, default=40, help="of each task")
    parser.add_argument("--episodes", type=int, default=20, help="of each task")
    parser.add_argument("--noise-mm", type=float, nargs="+", default=[6.0, 10.0])
    parser.add_argument(
        "--execution", nargs="+", default=["executed-1"], help="also executed-4, ensembled-0.1 and such"
    )
    parser.add_argument("--chunk", type=int, default=1, help="actions that an answer foretells")
    parser.add_argument("--steps", type=int, default=3000, help="of training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    python, demonstrations = found_libero(None).python, arguments.out / "demonstrations"
    tasks = ["--tasks", *arguments.tasks]
    simulate(python, "record", demonstrations, *tasks, "--count", arguments.demonstrations)
    rows = ["| error of sight, mm | execution | success | 95 % | by task | the others |", "|---|---|---|---|---|---|"]
    for noise_mm in arguments.noise_mm:
        policy = arguments.out / f"policy-{noise_mm:g}mm-{arguments.chunk}.npz"
        if not policy.exists():
            train(Frames(demonstrations, arguments.tasks, arguments.chunk), noise_mm / 1000, arguments.steps, policy)
        for execution in arguments.execution:
            played = arguments.out / f"{policy.stem}-{execution}.jsonl"
            words = ["--count", arguments.episodes, "--noise-mm", noise_mm, "--execution", execution, "--out", played]
            simulate(python, "play", policy, *tasks, *words)
            rows.append(row(noise_mm, execution, played, arguments.tasks))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
