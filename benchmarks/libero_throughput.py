"""How many LIBERO episodes an hour are evaluated: side by side, against the published serial loop, in the same run.

    PYTHONPATH=supervisor:trainer python3 benchmarks/libero_throughput.py --workers 16 --episodes 32 --steps 60

The policy is a wait of --policy-ms a call, whatever the batch, then random actions: everything else is measured. All
episodes run to the same number of steps. Start-up is left out on both sides: here the first episode of each simulator.
With --starts that alone is measured: simulators that share what they compile, against those that do not. With --chunk
N an answer has N actions, and only these are compared: plans that simulators execute by themselves, the same with every
picture taken, as for a video, and actions that are handed over one by one.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve()


def serial(suite: str, episodes: int, steps: int, policy_s: float) -> float:
    """Seconds for so many episodes of the published loop; runs in LIBERO's Python, one process, both cameras."""
    import numpy as np
    from libero.libero.benchmark import get_benchmark
    from libero.libero.envs import OffScreenRenderEnv

    benchmark = get_benchmark(suite)()
    env = OffScreenRenderEnv(bddl_file_name=benchmark.get_task_bddl_file_path(0), camera_heights=256, camera_widths=256)
    states = benchmark.get_task_init_states(0)
    draws = np.random.RandomState(0)
    env.seed(0)
    begun = time.monotonic()
    for episode in range(episodes):
        env.reset()
        env.set_init_state(states[episode % len(states)])
        for _ in range(10):
            env.step([0, 0, 0, 0, 0, 0, -1])
        for _ in range(steps):
            time.sleep(policy_s)
            env.step(draws.uniform(-1, 1, 7).tolist())
    return time.monotonic() - begun


def ours(
    suite_name: str,
    workers: int,
    episodes: int,
    steps: int,
    policy_s: float,
    *,
    chunk: int = 1,
    is_one_by_one: bool = False,
    is_followed: bool = False,
) -> float:
    """Seconds an episode side by side, once every simulator has played one."""
    import numpy as np
    from libero_one_by_one import OneByOneSuite
    from vlatrain.configuration.finetune import FinetuneConfig
    from vlatrain.evaluate.libero import libero_suite
    from vlatrain.evaluate.results import Episode, Outcome
    from vlatrain.evaluate.rollout import roll_out
    from vlatrain.evaluate.venue import Observation

    config = FinetuneConfig(
        eval_max_steps=steps,
        sim_workers=workers,
        eval_batch_size=workers,
        action_chunk=chunk,
        executed_actions=chunk,
    )
    suite = libero_suite(config, suite_name, has_gpu=Path("/dev/nvidia0").exists())
    if is_one_by_one:
        suite = OneByOneSuite(**{one.name: getattr(suite, one.name) for one in fields(suite)})
    draws = np.random.RandomState(0)
    ended_at: list[float] = []

    class Watcher:
        def tick(self) -> None: ...
        def follows(self, episode: Episode) -> bool:
            return is_followed

        def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None: ...
        def ended(self, episode: Episode, outcome: Outcome) -> None:
            assert outcome.failure is None, outcome.failure
            ended_at.append(time.monotonic())

    def policy(observations: Sequence[Observation], instructions: Sequence[str]) -> "np.ndarray":
        time.sleep(policy_s)
        return draws.uniform(-1, 1, (len(observations), chunk, 7))

    roll_out(policy, suite, [Episode(task=0, trial=trial) for trial in range(episodes)], workers, Watcher())
    return (ended_at[-1] - ended_at[workers - 1]) / (episodes - workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="libero_spatial")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--serial-episodes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--policy-ms", type=float, default=20.0)
    parser.add_argument("--chunk", type=int, help="only what it is worth that simulators get so many actions at a time")
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    parser.add_argument("--serial", action="store_true", help="only the published loop, in this Python")
    parser.add_argument("--starts", action="store_true", help="only how long it takes until every simulator plays")
    arguments = parser.parse_args()
    if arguments.starts:
        compare_starts(arguments.suite, arguments.workers)
        return
    if arguments.chunk:
        compare_plans(arguments)
        return
    if arguments.serial:
        took = serial(arguments.suite, arguments.serial_episodes, arguments.steps, arguments.policy_ms / 1000)
        print(json.dumps(took))
        return
    compare(arguments)


def compare_plans(arguments: argparse.Namespace) -> None:
    """Episodes an hour, as a ratio to those whose actions are handed over one by one."""
    words = (arguments.suite, arguments.workers, max(arguments.episodes, 2 * arguments.workers), arguments.steps)
    play = partial(ours, *words, arguments.policy_ms / 1000, chunk=arguments.chunk)
    alone, planned, followed = play(is_one_by_one=True), play(), play(is_followed=True)
    print(f"{arguments.suite} task 0, {arguments.steps} steps an episode, {arguments.workers} simulators, answers of")
    print(f"{arguments.chunk} actions in {arguments.policy_ms:.0f} ms; times as many episodes as one by one:")
    print(f"plans {alone / planned:.2f}, with every picture {alone / followed:.2f}")


def compare_starts(suite: str, workers: int) -> None:
    """Every simulator begins an episode, of one task after the other."""
    from vlatrain.evaluate.libero import SHARED_SCENES

    (shared_s, shared), (alone_s, alone) = (started(suite, workers, scenes) for scenes in (SHARED_SCENES, 0))
    is_same = "the same pictures" if shared == alone else "OTHER PICTURES"
    print(f"{alone_s / shared_s:.2f} times the work without sharing, {workers} simulators of {suite}; {is_same}")


def started(suite: str, workers: int, scenes: int) -> tuple[float, bytes]:
    """Seconds of cores that it takes, and all that is seen then."""
    import psutil
    from vlatrain.evaluate.libero import WAIT_STEPS
    from vlatrain.sim.finding import found_libero
    from vlatrain.sim.pool import Pool
    from vlatrain.sim.protocol import Layout
    from vlatrain.sim.workers import WorkerProgram

    found = found_libero(None)
    tasks, begun, left = len(found.instructions(suite)), time.monotonic(), workers
    with Pool(WorkerProgram(argv=found.argv, layout=Layout(1, 1, 256), shared_scenes=scenes), workers) as pool:
        for place in range(workers):
            start = {"do": "start", "suite": suite, "task": place % tasks, "trial": 0, "wait_steps": WAIT_STEPS}
            pool.ask(place, start)
        while left:
            for event in pool.events(10.0):
                assert event.answer is not None, event.lost
                left -= 1
        took = time.monotonic() - begun
        seen = b"".join(pool[place].frames.images.tobytes() for place in range(workers))
        processes = [psutil.Process(pool[place].pid) for place in range(workers)]
        cores_s = sum(sum(process.cpu_times()[:2]) for process in processes)
        held = sum(process.memory_full_info().uss for process in processes)
    how = "compiled scenes shared" if scenes else "each compiles its own"
    print(f"{how:>22}: {took:5.1f} s, {cores_s:6.1f} s of cores, {held / 1e9:5.1f} GB in simulators alone", flush=True)
    return cores_s, seen


def device() -> str:
    """What draws."""
    words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "cpu"


def compare(arguments: argparse.Namespace) -> None:
    from vlatrain.sim.finding import found_libero

    found = found_libero(None)
    words = [found.python, str(HERE), "--serial", "--suite", arguments.suite, "--steps", str(arguments.steps)]
    words += ["--serial-episodes", str(arguments.serial_episodes), "--policy-ms", str(arguments.policy_ms)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    alone = float(done.stdout.strip().splitlines()[-1]) / arguments.serial_episodes
    policy_s = arguments.policy_ms / 1000
    count = min(max(arguments.episodes, 2 * arguments.workers), 50)
    together = ours(arguments.suite, arguments.workers, count, arguments.steps, policy_s)
    print(f"{arguments.suite} task 0, {arguments.steps} steps an episode, policy {arguments.policy_ms:.0f} ms a call")
    print(f"published loop, one process: {3600 / alone:8,.0f} episodes an hour")
    print(f"{arguments.workers:2} simulators side by side:  {3600 / together:8,.0f} episodes an hour")
    print(f"{alone / together:.1f} times as many")
    if arguments.out is not None:
        asked = {
            name: getattr(arguments, name) for name in ("suite", "workers", "steps", "policy_ms", "serial_episodes")
        }
        measured = {"serial_an_hour": 3600 / alone, "side_by_side_an_hour": 3600 / together, "ratio": alone / together}
        place = {"device": device(), "cores": len(os.sched_getaffinity(0)), "versions": dict(found.versions)}
        arguments.out.write_text(json.dumps({**asked, "episodes": count, **measured, **place}, indent=1) + "\n")
    print(f"mujoco {found.versions.get('mujoco')}", file=sys.stderr)


if __name__ == "__main__":
    main()
