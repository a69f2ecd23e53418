"""What an evaluation found: successes by task, the rate with its interval, and the log of the original script."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

Z_95 = 1.959963984540054  # two-sided 95 percent of a normal distribution


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95 % interval of a success rate, in percent (Wilson 1927, without continuity correction).

    Stays inside 0..100 and is honest for few episodes and for rates of 0 and 100. Raises ValueError for counts that
    cannot be.
    """
    if episodes < 1 or not 0 <= successes <= episodes:
        raise ValueError(f"{successes} successes of {episodes} episodes")
    rate, z2 = successes / episodes, Z_95 * Z_95
    centre = rate + z2 / (2 * episodes)
    half = Z_95 * math.sqrt(rate * (1 - rate) / episodes + z2 / (4 * episodes * episodes))
    scale = 100 / (1 + z2 / episodes)
    low = 0.0 if successes == 0 else max(0.0, (centre - half) * scale)
    high = 100.0 if successes == episodes else min(100.0, (centre + half) * scale)
    return low, high


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """One episode to roll out: `trial` counts from 0 within its task."""

    task: int
    trial: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an episode ended, after how many simulator steps."""

    success: bool
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """Outcomes of all episodes, in the order of `plan_episodes`: task by task, trial by trial."""

    suite: str
    tasks: tuple[str, ...]
    trials: int
    outcomes: tuple[Outcome, ...]

    def __post_init__(self) -> None:
        if len(self.outcomes) != len(self.tasks) * self.trials or not self.outcomes:
            raise ValueError(f"{len(self.outcomes)} outcomes for {len(self.tasks)} tasks x {self.trials} trials")

    @property
    def episodes(self) -> int:
        return len(self.outcomes)

    @property
    def successes(self) -> int:
        return sum(outcome.success for outcome in self.outcomes)

    @property
    def success_rate(self) -> float:
        """In percent."""
        return 100 * self.successes / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, in percent."""
        return wilson_interval(self.successes, self.episodes)

    def task_successes(self) -> Iterator[tuple[str, int]]:
        """Each task with its successes."""
        for number, task in enumerate(self.tasks):
            yield task, sum(outcome.success for outcome in self.of_task(number))

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
    done = successes = 0
    for number, task in enumerate(result.tasks):
        outcomes = result.of_task(number)
        for trial, outcome in enumerate(outcomes, start=1):
            done, successes = done + 1, successes + outcome.success
            yield ""
            yield f"Task: {task}"
            yield f"Starting episode {trial}..."
            yield f"Success: {outcome.success}"
            yield f"# episodes completed so far: {done}"
            yield f"# successes: {successes} ({successes / done * 100:.1f}%)"
        yield f"Current task success rate: {sum(outcome.success for outcome in outcomes) / len(outcomes)}"
        yield f"Current total success rate: {successes / done}"
    low, high = result.interval
    yield f"Total episodes: {result.episodes}"
    yield f"Total successes: {result.successes}"
    yield f"Overall success rate: {result.success_rate / 100:.4f} ({result.success_rate:.1f}%)"
    yield f"95% interval: {low:.1f}% to {high:.1f}%"
