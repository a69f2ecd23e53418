"""Records LIBERO demonstrations: scripted experts in many processes, fresh scenes, successes only, resumable."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from vlad.records.interval import wilson_interval

from vlatrain.data.hdf5 import moving
from vlatrain.data.rlds_writer import EncodedEpisode
from vlatrain.data.spool import begun, episode_file, episode_files, note
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Frames, Message
from vlatrain.sim.roster import Roster
from vlatrain.sim.spooling import Spooler, episode_in

MOST_SCENES = 10  # tries at one wanted demonstration
MOST_LOSSES = 2  # simulators that one scene may take along
SEEDS_A_TASK = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is to be recorded; a spool goes on only under the plan that it was begun with."""

    suite: str
    episodes: int
    seed: int
    shaky: bool
    limit: int
    wrist: bool
    size: int
    jpeg_quality: int
    pictures: bool
    states: bool
    """The simulator's own, and the scene's XML"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One demonstration to be recorded: number `number` of a task, from the scene of its `scene`-th try."""

    task: int
    number: int
    scene: int = 0
    losses: int = 0

    @property
    def file_name(self) -> str:
        return episode_file(self.task, self.number)

    def seed(self, plan: Plan) -> int:
        """Another one for every scene of a plan; the benchmark's own states come from none of them."""
        return (plan.seed * 97 + self.task) * SEEDS_A_TASK % (2**31) + 1000 + self.number * MOST_SCENES + self.scene


@dataclass(slots=True)
class Score:
    """How the expert fared at a task."""

    successes: int = 0
    tries: int = 0
    unfit: int = 0
    """Scenes that could not be played, which are no tries"""
    steps: int = 0
    cannot: str | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Recording:
    """Fills a spool folder. `tell` hears how far it is after every episode."""

    plan: Plan
    instructions: Sequence[str]
    folder: Path
    tell: Callable[[str], None]
    tasks: Sequence[int]
    scores: dict[int, Score] = field(default_factory=dict)
    lost: int = 0
    dropped: int = 0
    _roster: Roster[Wanted] = field(init=False)
    _spooler: Spooler = field(init=False)
    _recorded: int = 0
    _found: int = 0
    _started: float = 0.0

    def run(self, pool: Pool) -> None:
        """Records what is missing. Raises TrainerError where the folder holds another plan's episodes."""
        roster = self._opened()
        self._started = time.monotonic()
        with Spooler() as self._spooler:
            roster.run(pool, self._request, lambda wanted, event: self._take(pool, wanted, event))

    @property
    def files(self) -> list[Path]:
        """The episodes on the disk, tasks in turn."""
        return episode_files(self.folder)

    def _opened(self) -> Roster[Wanted]:
        scores = begun(self.folder, asdict(self.plan)).get("scores", {})
        self.scores = {int(task): Score(**score) for task, score in scores.items()}
        tasks, count = self.tasks, len(self.tasks)
        wanted = [Wanted(tasks[place % count], place // count) for place in range(self.plan.episodes)]
        self._roster = Roster(one for one in wanted if not (self.folder / one.file_name).is_file())
        self._found = self._recorded = len(wanted) - len(self._roster.waiting)
        return self._roster

    def _request(self, wanted: Wanted, place: int) -> Message:
        plan = self.plan
        request = {"do": "demonstrate", "suite": plan.suite, "task": wanted.task, "seed": wanted.seed(plan)}
        style = {"shaky": plan.shaky, "limit": plan.limit}
        kept = {"model_file": str(self._scene(wanted).absolute())} if plan.states else {}
        return {**request, **style, **kept, "pictures": plan.pictures, "jpeg_quality": plan.jpeg_quality}

    def _scene(self, wanted: Wanted) -> Path:
        """Where a worker leaves the XML; it is too long for a message."""
        return self.folder / f"scene-{wanted.file_name}.xml"

    def _take(self, pool: Pool, wanted: Wanted, event: Event) -> None:
        if event.answer is None:
            self._lost(wanted, event.lost or "")
        else:
            self._answered(wanted, event.answer, pool[event.place].frames)
        self._note()

    def _lost(self, wanted: Wanted, reason: str) -> None:
        """The same scene again, or another one where it keeps taking simulators along."""
        self.lost += 1
        if wanted.losses < MOST_LOSSES:
            self._roster.waiting.appendleft(Wanted(wanted.task, wanted.number, wanted.scene, wanted.losses + 1))
        else:
            self._next_scene(wanted, f"simulator {reason}")

    def _answered(self, wanted: Wanted, answer: Message, frames: Frames) -> None:
        score = self.scores.setdefault(wanted.task, Score())
        if answer.get("cannot"):
            score.cannot = answer["reason"]
            self.dropped += 1 + sum(one.task == wanted.task for one in self._roster.waiting)
            self._roster.waiting = deque(one for one in self._roster.waiting if one.task != wanted.task)
            return
        if not answer["success"]:
            is_unfit = bool(answer.get("unfit"))
            score.unfit += is_unfit
            score.tries += not is_unfit
            self._next_scene(wanted, answer["reason"])
            return
        episode = self._episode(wanted, frames, answer)
        self._spooler.save(self.folder / wanted.file_name, episode, lambda: self._kept(wanted, answer["frames"]))

    def _kept(self, wanted: Wanted, steps: int) -> None:
        score = self.scores[wanted.task]
        score.tries += 1
        score.successes += 1
        score.steps += steps
        self._recorded += 1
        self._note()

    def _next_scene(self, wanted: Wanted, reason: str) -> None:
        self.scores.setdefault(wanted.task, Score()).reasons.append(reason)
        if wanted.scene + 1 < MOST_SCENES:
            self._roster.waiting.append(Wanted(wanted.task, wanted.number, wanted.scene + 1))
        else:
            self.dropped += 1

    def _episode(self, wanted: Wanted, frames: Frames, answer: Message) -> EncodedEpisode:
        """The frames in which something is done: others teach a policy to stand still."""
        actions = frames.actions[: answer["frames"]].astype(np.float32)
        kept = moving(actions)
        instruction = self.instructions[wanted.task]
        episode = episode_in(frames, kept, actions[kept], suite=self.plan.suite, instruction=instruction)
        if not self.plan.states:
            return episode
        coordinates, file = frames.coordinates[kept, : answer["coordinates"]], self._scene(wanted)
        scene = file.read_text()
        file.unlink()
        return replace(episode, coordinates=coordinates, model_file=scene)

    def _note(self) -> None:
        scores = {task: asdict(score) for task, score in sorted(self.scores.items())}
        note(self.folder, {"plan": asdict(self.plan), "scores": scores})
        hours = (time.monotonic() - self._started) / 3600
        rate = (self._recorded - self._found) / hours if hours else 0.0
        failed = sum(score.tries - score.successes for score in self.scores.values())
        lost = f", {self.lost} simulators lost" if self.lost else ""
        self.tell(f"{self._recorded}/{self.plan.episodes} episodes, {failed} failed{lost}, {rate:,.0f} an hour")

    def table(self) -> list[str]:
        """Success of the expert by task and in all, in lines; and how many episodes nobody will record."""
        lines = ["success  steps  task"]
        for task, score in sorted(self.scores.items()):
            unfit = f" ({score.unfit} scenes were unfit)" if score.unfit else ""
            lines.append(row(score, f"{self.instructions[task]}{unfit}"))
        scores = self.scores.values()
        whole = Score(*(sum(getattr(one, name) for one in scores) for name in ("successes", "tries", "unfit", "steps")))
        if whole.tries:
            low, high = wilson_interval(whole.successes, whole.tries)
            lines.append(row(whole, f"all; 95 % interval {low:.1f}-{high:.1f} %"))
        missing = self.plan.episodes - self._recorded
        return [*lines, f"{missing} of {self.plan.episodes} episodes could not be recorded"] if missing else lines


def row(score: Score, text: str) -> str:
    """One line of the table."""
    told = f"{score.successes}/{score.tries}" if score.tries else "-"
    mean = f"{score.steps / score.successes:.0f}" if score.successes else ""
    return f"{told:>7}  {mean:>5}  {text}" + (f": {score.cannot}" if score.cannot else "")
