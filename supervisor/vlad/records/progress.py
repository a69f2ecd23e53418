"""What a training program reports: lines of progress.jsonl and evaluations.jsonl, written by its rank 0."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

import msgspec


class Phase(StrEnum):
    """What a running run does now."""

    LOADING = "loading"
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"


class Reason(StrEnum):
    """Why a run that succeeded ended."""

    MAX_STEPS = "MAX_STEPS"
    EARLY_STOP = "EARLY_STOP"
    COMMAND_DONE = "COMMAND_DONE"

    @property
    def words(self) -> str:
        """As people write it."""
        return self.value.lower().replace("_", " ")


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """What every line carries: `at` in Unix seconds and the attempt that wrote it."""

    at: float
    attempt: int = 1


class Plan(Line, frozen=True, kw_only=True, tag="plan"):
    """What the program intends, reported once an attempt, before the first step.

    With `evaluates_beside` steps go on while evaluations do.
    """

    start_step: int = 0
    max_steps: int | None = None
    save_steps: int | None = None
    eval_every_steps: int | None = None
    patience: int | None = None
    ranks: int = 1
    suite: str | None = None
    samples_per_step: int | None = None
    evaluates_beside: bool = False


class PhaseChange(Line, frozen=True, kw_only=True, tag="phase"):
    """The program entered `phase` at `step`; `done` of `total` (episodes, shards…) where it can tell.

    `of_step` is the step whose checkpoint is evaluated, where training has gone on since.
    """

    phase: Phase
    step: int | None = None
    of_step: int | None = None
    detail: str = ""
    done: int | None = None
    total: int | None = None


class Step(Line, frozen=True, kw_only=True, tag="step"):
    """One optimizer update. `metrics` are further numbers of the program's own (method metrics, accuracy…)."""

    step: int
    loss: float | None = None
    learning_rate: float | None = None
    samples_per_s: float | None = None
    step_s: float | None = None
    memory_bytes: int | None = None
    epoch: float | None = None
    metrics: dict[str, float] = {}


class TaskEvaluated(Line, frozen=True, kw_only=True, tag="task"):
    """All episodes of one task of an evaluation that is still going on have been played."""

    step: int
    suite: str
    task: str
    successes: int
    episodes: int


class CheckpointBegun(Line, frozen=True, kw_only=True, tag="checkpoint_begun"):
    """A checkpoint will appear at `path` as a whole, by rename: a death before CheckpointSaved then loses nothing."""

    step: int
    path: str


class CheckpointSaved(Line, frozen=True, kw_only=True, tag="checkpoint"):
    """A complete checkpoint is on the disk at `path`; `is_best` where it is the best evaluated so far.

    Training waited `stall_s` for it; writing it took `write_s`, mostly while training went on. `is_new` is false where
    one told of before has turned out to be the best, after later ones were saved.
    """

    step: int
    path: str
    size_bytes: int | None = None
    is_best: bool = False
    is_new: bool = True
    stall_s: float | None = None
    write_s: float | None = None


class RequestDone(Line, frozen=True, kw_only=True, tag="request"):
    """The program did what the request with this id asked."""

    request_id: str
    detail: str = ""


class Warned(Line, frozen=True, kw_only=True, tag="warning"):
    """Something the user should know that stops nothing.

    What it is `about` may pass: it then replaces what was told about that before, and is so until WarningOver, the end
    of the program, or its next attempt, which tells anew.
    """

    message: str
    about: str = ""


class WarningOver(Line, frozen=True, kw_only=True, tag="warning_over"):
    """What was warned about is no longer so."""

    about: str


class Finished(Line, frozen=True, kw_only=True, tag="finished"):
    """The program ends by itself and says why; `stopped` where it was asked to."""

    step: int
    reason: Reason | None = None
    stopped: bool = False


ProgressLine = (
    Plan
    | PhaseChange
    | Step
    | TaskEvaluated
    | CheckpointBegun
    | CheckpointSaved
    | RequestDone
    | Warned
    | WarningOver
    | Finished
)


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """Successes of one task in one evaluation."""

    task: str
    successes: int
    episodes: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of evaluations.jsonl. Rates and intervals are in percent; early-stop values are those *after* it.

    With a `failure` it is no measurement and has moved no counter. `versions` are the simulator's; `repeats` counts the
    episodes that were begun anew because a simulator was lost.
    """

    at: float
    attempt: int = 1
    step: int
    suite: str
    successes: int
    episodes: int
    success_rate: float
    low: float
    high: float
    tasks: tuple[TaskResult, ...] = ()
    improved: bool = False
    best: float | None = None
    best_step: int | None = None
    bad_evaluations: int = 0
    patience: int | None = None
    checkpoint: str | None = None
    log: str | None = None
    videos: tuple[str, ...] = ()
    duration_s: float | None = None
    failure: str | None = None
    versions: dict[str, str] = {}
    repeats: int = 0


_progress = msgspec.json.Decoder(ProgressLine)
_evaluation = msgspec.json.Decoder(Evaluation)
_Decoded = TypeVar("_Decoded")


def decode_progress(lines: Iterable[bytes]) -> list[ProgressLine]:
    """Progress lines; those that are none (torn by a crash, or from a newer version) are left out."""
    return _decode(lines, _progress)


def decode_evaluations(lines: Iterable[bytes]) -> list[Evaluation]:
    """Evaluations; lines that are none are left out."""
    return _decode(lines, _evaluation)


def _decode(lines: Iterable[bytes], decoder: msgspec.json.Decoder[_Decoded]) -> list[_Decoded]:
    decoded = []
    for line in lines:
        try:
            decoded.append(decoder.decode(line))
        except msgspec.DecodeError:
            continue
    return decoded
