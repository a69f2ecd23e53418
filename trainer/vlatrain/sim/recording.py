"""Records LIBERO demonstrations: scripted experts in many processes, fresh scenes, successes only, resumable."""

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from vlad.records.files import replace_file
from vlad.records.interval import wilson_interval

from vlatrain.data.hdf5 import moving
from vlatrain.data.rlds_writer import EncodedEpisode, encoded
from vlatrain.data.spool import SUFFIX, save_episode
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Frames, Message

MOST_SCENES = 10  # tries at one wanted demonstration
MOST_LOSSES = 2  # simulators that one scene may take along
POLL_S = 1.0
SEEDS_A_TASK = 1_000_000
PLAN_FILE = "plan.json"


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """One demonstration to be recorded: number `number` of a task, from the scene of its `scene`-th try."""

    task: int
    number: int
    scene: int = 0
    losses: int = 0

    @property
    def file_name(self) -> str:
        return f"task-{self.task:02d}-{self.number:05d}{SUFFIX}"

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
    """Fills a spool folder. `tell` hears (recorded, wanted, text) after every episode."""

    plan: Plan
    instructions: Sequence[str]
    folder: Path
    tell: Callable[[str], None]
    tasks: Sequence[int] = ()
    scores: dict[int, Score] = field(default_factory=dict)
    lost: int = 0
    dropped: int = 0
    _waiting: deque[Wanted] = field(default_factory=deque)
    _playing: dict[int, Wanted] = field(default_factory=dict)
    _stages: dict[int, int] = field(default_factory=dict)
    """The task that the worker in a place has set up"""
    _recorded: int = 0
    _found: int = 0
    _started: float = 0.0

    def run(self, pool: Pool) -> None:
        """Records what is missing. Raises TrainerError where the folder holds another plan's episodes."""
        self._open()
        self._started = time.monotonic()
        while self._waiting or self._playing:
            for place in range(len(pool)):
                if place not in self._playing and self._waiting:
                    self._begin(pool, place, self._next_for(place))
            for event in pool.events(POLL_S):
                self._take(pool, event)

    @property
    def files(self) -> list[Path]:
        """The episodes on the disk, tasks in turn."""
        return sorted(self.folder.glob(f"task-*{SUFFIX}"), key=lambda path: (path.name[8:], path.name))

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / PLAN_FILE
        known = json.loads(file.read_text()) if file.is_file() else {"plan": asdict(self.plan), "scores": {}}
        if known["plan"] != asdict(self.plan):
            raise TrainerError(f"{self.folder} was begun with other settings: {known['plan']}; remove it, or use those")
        self.scores = {int(task): Score(**score) for task, score in known["scores"].items()}
        tasks = self.tasks or range(len(self.instructions))
        wanted = [Wanted(tasks[place % len(tasks)], place // len(tasks)) for place in range(self.plan.episodes)]
        self._waiting = deque(one for one in wanted if not (self.folder / one.file_name).is_file())
        self._found = self._recorded = len(wanted) - len(self._waiting)

    def _next_for(self, place: int) -> Wanted:
        """Of the task that the worker has set up already, else of the one with the fewest workers: setting up takes
        seconds."""
        crowds = Counter(self._stages.values())
        mine = self._stages.get(place)
        chosen = min(self._waiting, key=lambda one: (one.task != mine, crowds[one.task]))
        self._waiting.remove(chosen)
        return chosen

    def _begin(self, pool: Pool, place: int, wanted: Wanted) -> None:
        self._playing[place], self._stages[place] = wanted, wanted.task
        plan = self.plan
        request = {"do": "demonstrate", "suite": plan.suite, "task": wanted.task, "seed": wanted.seed(plan)}
        pool.ask(place, {**request, "shaky": plan.shaky, "limit": plan.limit, "pictures": True})

    def _take(self, pool: Pool, event: Event) -> None:
        wanted = self._playing.pop(event.place, None)
        if wanted is None:
            return
        if event.answer is None:
            self._lost(wanted, event.lost or "")
        else:
            self._answered(wanted, event.answer, pool[event.place].frames)
        self._note()

    def _lost(self, wanted: Wanted, reason: str) -> None:
        """The same scene again, or another one where it keeps taking simulators along."""
        self.lost += 1
        if wanted.losses < MOST_LOSSES:
            self._waiting.appendleft(Wanted(wanted.task, wanted.number, wanted.scene, wanted.losses + 1))
        else:
            self._next_scene(wanted, f"simulator {reason}")

    def _answered(self, wanted: Wanted, answer: Message, frames: Frames) -> None:
        score = self.scores.setdefault(wanted.task, Score())
        if answer.get("cannot"):
            score.cannot = answer["reason"]
            self.dropped += 1 + sum(one.task == wanted.task for one in self._waiting)
            self._waiting = deque(one for one in self._waiting if one.task != wanted.task)
            return
        score.unfit += bool(answer.get("unfit"))
        score.tries += not answer.get("unfit")
        if not answer["success"]:
            self._next_scene(wanted, answer["reason"])
            return
        score.successes += 1
        score.steps += answer["frames"]
        episode = self._episode(wanted, frames, answer["frames"])
        save_episode(self.folder / wanted.file_name, episode)
        self._recorded += 1

    def _next_scene(self, wanted: Wanted, reason: str) -> None:
        self.scores.setdefault(wanted.task, Score()).reasons.append(reason)
        if wanted.scene + 1 < MOST_SCENES:
            self._waiting.append(Wanted(wanted.task, wanted.number, wanted.scene + 1))
        else:
            self.dropped += 1

    def _episode(self, wanted: Wanted, frames: Frames, count: int) -> EncodedEpisode:
        """The frames in which something is done: others teach a policy to stand still."""
        actions = frames.actions[:count].astype(np.float32)
        kept = moving(actions)
        instruction = self.instructions[wanted.task]
        episode = Episode(
            task=f"{self.plan.suite}/{instruction.replace(' ', '_')}",
            instruction=instruction,
            images=frames.images[kept, 0],
            actions=actions[kept],
            wrist_images=frames.images[kept, 1] if self.plan.wrist else None,
            states=frames.states[kept].astype(np.float32),
        )
        return encoded(episode, self.plan.jpeg_quality)

    def _note(self) -> None:
        scores = {task: asdict(score) for task, score in sorted(self.scores.items())}
        document: dict[str, Any] = {"plan": asdict(self.plan), "scores": scores}
        replace_file(self.folder / PLAN_FILE, json.dumps(document, indent=1).encode())
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
