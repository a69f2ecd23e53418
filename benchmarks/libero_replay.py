"""Whether an evaluation does what demonstrations teach: the expert's actions played back as the tokens to be learned.

    PYTHONPATH=supervisor:trainer python3 benchmarks/libero_replay.py --trials 5 --out OUT       goes on where it was

The expert plays the benchmark's scenes, its episodes become an RLDS set, the trainer reads that set, and a policy that
answers with the tokens which training would have as targets is evaluated on the same scenes: decoding, un-normalising,
gripper, rollout and simulators are the evaluation's own. Only the model is left out. Nobody looks, so that an error of
one step stays, and nothing is rendered but with --seeing. A line of OUT/played.jsonl is one episode; those in which the
expert itself fails are left out.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from vlad.records.interval import wilson_interval
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.hdf5 import moving
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.evaluate.libero import IMAGE_SIZE, STEP_LIMITS, WAIT_STEPS, LiberoSuite, LiberoVenue
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.rollout import roll_out
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.venue import Observation
from vlatrain.model.codec import Codec
from vlatrain.sim.episode import Episode as Demonstration
from vlatrain.sim.finding import FoundLibero, found_libero
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Layout, Message
from vlatrain.sim.roster import Roster
from vlatrain.sim.workers import WorkerProgram
from vlatrain.tools import fresh
from vlatrain.tools.cli import parsed

Plan = list[Episode]
PICTURE = np.zeros((8, 8, 3), np.uint8)


class BlindVenue(LiberoVenue):
    """Without a camera everything is black."""

    def _observation(self, place: int, frame: int) -> Observation:
        return Observation(np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8))


class BlindSuite(LiberoSuite):
    """Simulators that need not render."""

    def open(self, batch_size: int, episodes: int) -> LiberoVenue:
        program = replace(self.program, layout=Layout(1, 0, IMAGE_SIZE))
        return BlindVenue(self, Pool(program, min(self.workers, episodes)))


def file_of(folder: Path, episode: Episode) -> Path:
    return folder / "expert" / f"{episode.task:02d}-{episode.trial:02d}.npy"


def let_expert_play(found: FoundLibero, suite: str, plan: Plan, workers: int, folder: Path) -> None:
    """Actions [T, 7] of each episode as a file; no actions where the expert fails."""
    roster = Roster(episode for episode in plan if not file_of(folder, episode).exists())
    (folder / "expert").mkdir(parents=True, exist_ok=True)
    if not roster.waiting:
        return
    limit = STEP_LIMITS[suite]

    def begin(episode: Episode, _: int) -> Message:
        scene = {"suite": suite, "task": episode.task, "trial": episode.trial, "seed": 0}
        style = {"shaky": False, "limit": limit, "pictures": False, "wait_steps": WAIT_STEPS}
        return {"do": "demonstrate", **scene, **style}

    def take(episode: Episode, event: Event) -> None:
        if event.answer is None:
            roster.waiting.append(episode)
            return
        count = event.answer["frames"] if event.answer["success"] else 0
        np.save(file_of(folder, episode), pool[event.place].frames.actions[:count])

    with Pool(WorkerProgram(argv=found.argv, layout=Layout(limit, 0, 8)), workers) as pool:
        roster.run(pool, begin, take)


def targets(found: FoundLibero, suite: str, plan: Plan, folder: Path) -> tuple[Codec, RLDSDataset, Plan]:
    """The set that is made of the expert's episodes as `vlad demos` makes one, opened as training opens it."""
    name = f"{suite}_no_noops"
    played = [episode for episode in plan if len(np.load(file_of(folder, episode)))]
    if not (folder / name).exists():
        write_rlds(folder, name, (demonstration(found, suite, one, folder) for one in played))
        sizes = ["--width", "64", "--depth", "1", "--vision-width", "64", "--vision-depth", "1", "--image-size", "32"]
        fresh.write(parsed(["fresh", "--data", str(folder / name), "--out", str(folder / "base"), *sizes]))
    return Codec.from_folder(folder / "base"), RLDSDataset(folder / name), played


def demonstration(found: FoundLibero, suite: str, episode: Episode, folder: Path) -> Demonstration:
    actions = np.load(file_of(folder, episode)).astype(np.float32)
    kept = actions[moving(actions)]
    images = np.repeat(PICTURE[None], len(kept), 0)
    instruction = found.instructions(suite)[episode.task]
    return Demonstration(task=str(episode), instruction=instruction, images=images, actions=kept)


class Replay:
    """A policy that looks at nothing; a watcher, so that it knows whose observation it is asked about."""

    def __init__(self, codec: Codec, dataset: RLDSDataset, played: Plan, log: Path) -> None:
        self._log = log
        self._tokens: dict[Episode, list[NDArray[np.int64]]] = {episode: [] for episode in played}
        for place in range(len(dataset)):
            frame = dataset[place]
            self._tokens[played[frame.episode]].append(codec.actions.encode(frame.action))
        self._stand = codec.actions.encode(np.array([0.0] * 6 + [1.0]))
        self._place: dict[Episode, int] = {}
        self._seen: dict[int, Episode] = {}
        self._ids: NDArray[np.int64] = self._stand
        self._policy = LivePolicy(
            vla=SimpleNamespace(predict=lambda *asked: torch.from_numpy(self._ids), modules=lambda: ()),  # type: ignore[arg-type]
            codec=codec,
            device=torch.device("cpu"),
            dtype=torch.float32,
            statistics=dataset.statistics[dataset.name]["action"],
            is_cropped=True,
        )

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        self._ids = np.stack([self._next(self._seen.pop(id(one.image))) for one in observations])
        return self._policy(observations, instructions)

    def _next(self, episode: Episode) -> NDArray[np.int64]:
        place = self._place[episode]
        self._place[episode] += 1
        tokens = self._tokens[episode]
        return tokens[place] if place < len(tokens) else self._stand

    def tick(self) -> None: ...

    def follows(self, episode: Episode) -> bool:
        return False

    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None:
        self._seen[id(observation.image)] = episode
        if is_start:
            self._place[episode] = 0

    def ended(self, episode: Episode, outcome: Outcome) -> None:
        line: dict[str, Any] = {
            "task": episode.task,
            "trial": episode.trial,
            "success": outcome.success,
            "steps": outcome.steps,
        }
        line |= {"demonstrated": len(self._tokens[episode]), "failure": outcome.failure}
        with self._log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero_spatial", choices=STEP_LIMITS)
    parser.add_argument("--tasks", type=int, nargs="+")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeing", action="store_true", help="render, which takes most of the time")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = found_libero(None)
    tasks = arguments.tasks or range(len(found.instructions(arguments.suite)))
    plan = [Episode(task=task, trial=trial) for task in tasks for trial in range(arguments.trials)]
    let_expert_play(found, arguments.suite, plan, arguments.workers, arguments.out)
    codec, dataset, played = targets(found, arguments.suite, plan, arguments.out)
    log = arguments.out / "played.jsonl"
    known = {(line["task"], line["trial"]) for line in lines_of(log)}
    waiting = [episode for episode in played if (episode.task, episode.trial) not in known]
    config = FinetuneConfig(sim_workers=arguments.workers, eval_batch_size=arguments.workers)
    suite = open_suite(config, arguments.suite, has_gpu=Path("/dev/nvidia0").exists())
    assert isinstance(suite, LiberoSuite)
    if not arguments.seeing:
        suite = BlindSuite(**{one.name: getattr(suite, one.name) for one in fields(suite)})
    replay = Replay(codec, dataset, played, log)
    if waiting:
        roll_out(replay, suite, waiting, arguments.workers, replay)
    lines = [line for line in lines_of(log) if line["failure"] is None]
    won = sum(line["success"] for line in lines)
    low, high = wilson_interval(won, len(lines))
    print(f"the expert: {len(played)}/{len(plan)}; its tokens: {won}/{len(lines)}, 95 % interval {low:.0f}-{high:.0f}")


if __name__ == "__main__":
    main()
