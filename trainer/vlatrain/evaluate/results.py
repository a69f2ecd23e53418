"""What an evaluation found: successes by task, the rate with its interval, and the log of the original script."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vlad.records.interval import wilson_interval

LEAST_PLAYED = 0.9  # of the episodes: with fewer, an evaluation has failed


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """One episode to roll out: `trial` counts from 0 within its task."""

    task: int
    trial: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an episode ended, after how many simulator steps.

    `failure` says why it could not be played to its end; `repeats` counts the times it was begun anew.
    """

    success: bool
    steps: int
    failure: str | None = None
    repeats: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """Outcomes of all episodes, in the order of `plan_episodes`: task by task, trial by trial.

    `versions` are the simulator's, `videos` the files that were kept, `remarks` what the user should know.
    """

    suite: str
    tasks: tuple[str, ...]
    trials: int
    outcomes: tuple[Outcome, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    videos: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.outcomes) != len(self.tasks) * self.trials or not self.outcomes:
            raise ValueError(f"{len(self.outcomes)} outcomes for {len(self.tasks)} tasks x {self.trials} trials")

    @property
    def played(self) -> tuple[Outcome, ...]:
        """The episodes that count."""
        return tuple(outcome for outcome in self.outcomes if outcome.failure is None)

    @property
    def episodes(self) -> int:
        return len(self.played)

    @property
    def successes(self) -> int:
        return sum(outcome.success for outcome in self.played)

    @property
    def success_rate(self) -> float:
        """In percent; 0 where nothing could be played."""
        return 100 * self.successes / max(1, self.episodes)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, in percent; everything is possible where nothing could be played."""
        return wilson_interval(self.successes, self.episodes) if self.episodes else (0.0, 100.0)

    @property
    def unplayed(self) -> str | None:
        """How many episodes could not be played and why, None where all were."""
        failures = [outcome.failure for outcome in self.outcomes if outcome.failure is not None]
        if not failures:
            return None
        return f"{len(failures)} of {len(self.outcomes)} episodes could not be played: {failures[0]}"

    @property
    def failure(self) -> str | None:
        """Why this is no measurement: too few of its episodes could be played."""
        return self.unplayed if self.episodes < LEAST_PLAYED * len(self.outcomes) else None

    @property
    def repeats(self) -> int:
        """How often an episode was begun anew because its simulator was lost."""
        return sum(outcome.repeats for outcome in self.outcomes)

    @property
    def lost(self) -> str | None:
        """That episodes were begun anew; None where none was."""
        if not self.repeats:
            return None
        return f"simulators were lost and replaced; episodes begun anew: {self.repeats}"

    def by_task(self) -> Iterator[tuple[str, int, int]]:
        """Each task with its successes and the episodes that were played."""
        for number, task in enumerate(self.tasks):
            played = [outcome for outcome in self.of_task(number) if outcome.failure is None]
            yield task, sum(outcome.success for outcome in played), len(played)

    def of_task(self, number: int) -> tuple[Outcome, ...]:
        return self.outcomes[number * self.trials : (number + 1) * self.trials]


def plan_episodes(tasks: int, trials: int) -> list[Episode]:
    """Every episode of an evaluation, task by task."""
    return [Episode(task=task, trial=trial) for task in range(tasks) for trial in range(trials)]


def log_name(suite: str, note: str | None, timestamp: str) -> str:
    """The file name of the original evaluation script; `timestamp` is YYYY_MM_DD-HH_MM_SS."""
    return f"EVAL-{suite}-openvla-{timestamp}" + (f"--{note}" if note else "") + ".txt"


def log_lines(result: EvaluationResult) -> Iterator[str]:
    """The lines of the original evaluation script, so that tools made for its logs read ours.

    Source: experiments/robot/libero/run_libero_eval.py of openvla/openvla; the last block is OpenVLA-OFT's.
    """
    yield f"Task suite: {result.suite}"
    if result.versions:
        yield "Simulator: " + ", ".join(f"{name} {version}" for name, version in result.versions.items())
    done = successes = 0
    for number, task in enumerate(result.tasks):
        outcomes = result.of_task(number)
        for trial, outcome in enumerate(outcomes, start=1):
            yield ""
            yield f"Task: {task}"
            yield f"Starting episode {trial}..."
            if outcome.failure is not None:
                yield f"Caught exception: {outcome.failure}"
                continue
            done, successes = done + 1, successes + outcome.success
            yield f"Success: {outcome.success}"
            yield f"# episodes completed so far: {done}"
            yield f"# successes: {successes} ({successes / done * 100:.1f}%)"
        yield f"Current task success rate: {sum(outcome.success for outcome in outcomes) / len(outcomes)}"
        yield f"Current total success rate: {successes / max(1, done)}"
    yield from (f"Saved rollout MP4 at path {video}" for video in result.videos)
    yield from _last_lines(result)


def _last_lines(result: EvaluationResult) -> Iterator[str]:
    low, high = result.interval
    yield f"Total episodes: {result.episodes}"
    yield f"Total successes: {result.successes}"
    yield f"Overall success rate: {result.success_rate / 100:.4f} ({result.success_rate:.1f}%)"
    yield f"95% interval: {low:.1f}% to {high:.1f}%"
    if result.repeats:
        yield f"Episodes begun anew because a simulator was lost: {result.repeats}"
    yield from (f"Remark: {remark}" for remark in (*result.remarks, result.unplayed) if remark)
