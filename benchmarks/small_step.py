"""Seconds a step of the small LIBERO recipes by lever, in turns, and the kernels of the best: 90 s on a GPU.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support:$PYTHONPATH python3 benchmarks/small_step.py

The trainer's own session and step, on made frames of the true format; the ways are warmed up one after the other and
then take turns. The last line of a recipe is what `--set` wants for the best. With `--seconds` so much time is taken;
`--batch 4 --rounds 1 --steps 1 --sizes "--width 64 --depth 2 --vision-width 64 --vision-depth 2 --image-size 32"` tries
it on a CPU, where levers are off.
"""

import argparse
import json
import statistics
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from small_recipe import RECIPES, made_project, opened
from torch.profiler import ProfilerActivity, profile
from vlatrain.fast.feeding import Feed
from vlatrain.train.profiling import lines
from vlatrain.train.session import Session
from vlatrain.train.step import model_inputs, train_step

IS_CUDA = torch.cuda.is_available()
WAYS: dict[str, dict[str, str]] = {
    "off": {"compile": "off", "cuda_graph": "off"},
    "compile": {"compile": "on", "cuda_graph": "off"},
    "graph": {"compile": "off", "cuda_graph": "on"},
    "all": {"compile": "on", "cuda_graph": "on"},
}
WARM_UPS = 3


@dataclass
class Way:
    """One way to train a recipe, ready to step."""

    name: str
    session: Session
    feed: Feed
    begun_s: float
    times: list[float] = field(default_factory=list)

    def steps(self, count: int) -> float:
        """Seconds a step, as the training loop makes them: the next batch is prepared while the device works."""
        learner, session = self.session.learner, self.session
        wait()
        started = time.perf_counter()
        for _ in range(count):
            train_step(learner, self.feed, session.codec, session.config, 1)
            self.feed.look_ahead()
        wait()
        return (time.perf_counter() - started) / count

    def pictures(self, count: int) -> float:
        """Seconds a batch takes to be gathered, augmented and normalised, by itself."""
        session = self.session
        batches = session.batches.stream(0)
        wait()
        started = time.perf_counter()
        for _ in range(count):
            model_inputs(session.learner, next(batches), session.codec, session.config)
        wait()
        return (time.perf_counter() - started) / count


def wait() -> None:
    if IS_CUDA:
        torch.cuda.synchronize()


def ready(project: Path, recipe: str, arguments: argparse.Namespace, stack: ExitStack) -> Iterator[Way]:
    """Each way that works here, after its first steps; one that fails is told and left out."""
    for name in arguments.ways:
        settings: dict[str, Any] = {"batch_size": arguments.batch} | (WAYS[name] if IS_CUDA else {})
        started = time.perf_counter()
        try:
            session, feed = stack.enter_context(opened(project, recipe, settings))
            way = Way(name, session, feed, 0.0)
            way.steps(WARM_UPS)
        except Exception:  # whatever it is, the other ways are still to be measured
            traceback.print_exc()
            print(f"{recipe}: {name} FAILED", flush=True)
            continue
        if IS_CUDA:
            torch.cuda.empty_cache()  # graphs of the other ways have memory of their own
        way.begun_s = time.perf_counter() - started
        print(f"{recipe}: {name} is ready after {way.begun_s:.1f} s", flush=True)
        yield way


def measured(recipe: str, arguments: argparse.Namespace, until: float) -> dict[str, Any]:
    torch._dynamo.reset()  # programs of another recipe's shapes would make this one's hold for both
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        project = made_project(Path(folder), recipe, arguments.sizes)
        ways = list(ready(project, recipe, arguments, stack))
        for _ in range(arguments.rounds):
            for way in ways:
                if len(way.times) == 0 or time.monotonic() < until:
                    way.times.append(way.steps(arguments.steps))
        best = min(ways, key=lambda way: statistics.median(way.times))
        for way in ways:
            print(told(recipe, way, ways[0], arguments), flush=True)
        kernels(best)
        print(
            f"{recipe}: best is {best.name}: "
            + " ".join(f"--set {key}={value}" for key, value in WAYS[best.name].items())
        )
        return {way.name: {"step_s": way.times, "begun_s": way.begun_s} for way in ways}


def told(recipe: str, way: Way, first: Way, arguments: argparse.Namespace) -> str:
    step_s = statistics.median(way.times)
    ratio = statistics.median(first.times) / step_s
    spread = f"{min(way.times):.4f} to {max(way.times):.4f}"
    alone = f"pictures alone {1e3 * way.pictures(arguments.steps):.2f} ms"
    return f"{recipe:>24} {way.name:>8}: {step_s:.4f} s/step ({spread}), {ratio:.2f} x, {alone}"


def kernels(way: Way, steps: int = 5) -> None:
    """The kernels of some steps by their time."""
    way.steps(1)
    with profile(activities=[ProfilerActivity.CUDA if IS_CUDA else ProfilerActivity.CPU]) as looked:
        taken_s = steps * way.steps(steps)
    for line in lines(looked, taken_s, steps, is_cuda=IS_CUDA):
        print("   ", line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES.values()))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="of each turn")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--sizes", default="", help="further words for the tool fresh")
    parser.add_argument("--out", type=Path, help="JSON of all times")
    arguments = parser.parse_args()
    started, found = time.monotonic(), {}
    print(torch.cuda.get_device_name() if IS_CUDA else "no GPU: a rehearsal", flush=True)
    for number, recipe in enumerate(arguments.recipes, 1):
        found[recipe] = measured(recipe, arguments, started + arguments.seconds * number / len(arguments.recipes))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
