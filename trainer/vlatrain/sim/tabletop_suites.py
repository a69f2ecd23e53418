"""The embedded simulator's suites: named tasks, their words, and the tables on which they start.

`tabletop_base` asks in plain words for every block colour with every bowl colour. `tabletop_new` asks for the same kind
of act, but all its words except "the" and the colours are new: a model taught on the base suite alone does not
understand it.
"""

import zlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from vlatrain.sim.tabletop_scene import Scene, lay_table

COLOURS = ("red", "green", "blue", "yellow", "purple")
DISTRACTORS = 2  # further blocks, and as many further bowls, in every scene
_NEW_SHIFTS = (1, 3)  # in the new suite each block colour meets the bowl colours this many further on


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One goal: the block of this colour in the bowl of that colour; true colours, whatever the words say."""

    suite: str
    name: str
    instruction: str
    block: str
    bowl: str


class Stream(IntEnum):
    """Sources of random tables that never meet."""

    EVALUATION = 1
    DEMONSTRATION = 2


def _base_task(block: str, bowl: str) -> Task:
    instruction = f"put the {block} block in the {bowl} bowl"
    return Task(
        suite="tabletop_base", name=instruction.replace(" ", "_"), instruction=instruction, block=block, bowl=bowl
    )


def _new_task(block: str, bowl: str) -> Task:
    instruction = f"drop the {block} cube into the {bowl} dish"
    return Task(
        suite="tabletop_new", name=instruction.replace(" ", "_"), instruction=instruction, block=block, bowl=bowl
    )


SUITES: dict[str, tuple[Task, ...]] = {
    "tabletop_base": tuple(_base_task(block, bowl) for block in COLOURS for bowl in COLOURS),
    "tabletop_new": tuple(
        _new_task(block, COLOURS[(index + shift) % len(COLOURS)])
        for shift in _NEW_SHIFTS
        for index, block in enumerate(COLOURS)
    ),
}


def suite_tasks(suite: str) -> tuple[Task, ...]:
    """The tasks of a suite, in their fixed order. Raises ValueError for a name that is none."""
    if suite not in SUITES:
        raise ValueError(f"no tabletop suite {suite!r}; there are {', '.join(SUITES)}")
    return SUITES[suite]


def evaluation_scene(task: Task, state: int) -> Scene:
    """The fixed initial scene number `state` of a task: the same in every process, on every machine."""
    if state < 0:
        raise ValueError(f"init_state must be 0 or more, not {state}")
    return task_scene(task, _generator(Stream.EVALUATION, task, state))


def demonstration_scene(task: Task, seed: int, index: int) -> tuple[Scene, np.random.Generator]:
    """Initial scene of the demonstration `index` under `seed`, and the generator that goes on with it."""
    rng = _generator(Stream.DEMONSTRATION, task, seed, index)
    return task_scene(task, rng), rng


def task_scene(task: Task, rng: np.random.Generator) -> Scene:
    """A fresh table on which the task has one answer: the named block and bowl, and others of other colours."""
    return lay_table(rng, _with_distractors(rng, task.block), _with_distractors(rng, task.bowl))


def _with_distractors(rng: np.random.Generator, named: str) -> list[str]:
    others = [colour for colour in COLOURS if colour != named]
    return [named, *(str(colour) for colour in rng.choice(others, DISTRACTORS, replace=False))]


def _generator(stream: Stream, task: Task, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([stream, zlib.crc32(task.name.encode()), *numbers])
