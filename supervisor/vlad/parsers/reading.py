"""From the facts of a log to the records that the program would have reported itself. Pure; time is passed in."""

import math

import msgspec

from vlad.parsers.facts import Fact, SeenBar, SeenEpisodes, SeenEvaluation, SeenMark, SeenStep, SeenSuite
from vlad.policy.early_stop import EarlyStop, EarlyStopPolicy
from vlad.records.interval import success_interval
from vlad.records.progress import Evaluation, Phase, PhaseChange, Plan, ProgressLine, Step

Record = ProgressLine | Evaluation
COUNTS_ONLY = EarlyStopPolicy(min_delta=0.0, enabled=False)
UNKNOWN_SUITE = "unknown"


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the lines so far have told that the next ones need. `successes` and `episodes` are of an open evaluation."""

    step: int | None = None
    max_steps: int | None = None
    is_planned: bool = False
    has_step_lines: bool = False
    bar_total: int | None = None
    is_bar_done: bool = False
    first_epoch: int | None = None
    suite: str | None = None
    successes: int | None = None
    episodes: int | None = None
    best: float | None = None
    best_step: int = 0
    bad_evaluations: int = 0

    @property
    def early_stop(self) -> EarlyStop:
        best = -math.inf if self.best is None else self.best
        return EarlyStop(best=best, best_step=self.best_step, bad_evaluations=self.bad_evaluations)


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """Of the attempt whose log is read; `at` in Unix seconds is when its lines were read."""

    at: float
    attempt: int
    ranks: int = 1
    early_stop: EarlyStopPolicy = COUNTS_ONLY
    log: str | None = None


Told = tuple[Reading, tuple[Record, ...]]
_replace = msgspec.structs.replace


def read(reading: Reading, fact: Fact, now: Circumstances) -> Told:
    """The reading after a fact, and the records that it makes."""
    match fact:
        case SeenStep():
            return _stepped(_replace(reading, has_step_lines=True), fact, now)
        case SeenBar():
            return _drawn(reading, fact, now)
        case SeenMark():
            return _replace(reading, step=fact.step), ()
        case SeenSuite():
            after, records = ended(reading, now)
            return _replace(after, suite=fact.suite), (*records, _evaluating(after, fact.suite, None, now))
        case SeenEpisodes():
            return _counted(reading, fact, now)
        case SeenEvaluation():
            return _evaluated(reading, fact, now)


def ended(reading: Reading, now: Circumstances) -> Told:
    """After the last line of a program that succeeded: an evaluation whose log has no closing line is done, too."""
    if not reading.episodes or reading.successes is None:
        return _replace(reading, successes=None, episodes=None), ()
    return _evaluated(reading, SeenEvaluation(), now)


def _stepped(reading: Reading, fact: SeenStep, now: Circumstances) -> Told:
    step = reading.step if fact.step is None else fact.step
    if step is None or (fact.step is not None and fact.step == reading.step):
        return reading, ()
    told = Step(
        at=now.at, attempt=now.attempt, step=step, loss=fact.loss, learning_rate=fact.learning_rate,
        step_s=fact.step_s, epoch=fact.epoch, metrics=dict(fact.metrics),
    )  # fmt: skip
    reading, plan = _planned(reading, step, fact.max_steps, now)
    return _replace(reading, step=step), (*plan, told)


def _planned(
    reading: Reading, step: int, max_steps: int | None, now: Circumstances
) -> tuple[Reading, tuple[Plan, ...]]:
    """The plan is told with the first step, and again when more is known."""
    max_steps = reading.max_steps if max_steps is None else max_steps
    if reading.is_planned and max_steps == reading.max_steps:
        return reading, ()
    patience = now.early_stop.patience if now.early_stop.enabled else None
    plan = Plan(
        at=now.at, attempt=now.attempt, start_step=max(0, step - 1), max_steps=max_steps, ranks=now.ranks,
        patience=patience, suite=reading.suite,
    )  # fmt: skip
    return _replace(reading, is_planned=True, max_steps=max_steps), (plan,)


def _drawn(reading: Reading, bar: SeenBar, now: Circumstances) -> Told:
    """The bar that was there first counts until it is full, then only a longer one: evaluations draw bars, too.

    Where lines tell the steps, bars only tell how many there will be.
    """
    is_other = reading.bar_total is not None and bar.total != reading.bar_total
    is_shorter = is_other and not (reading.is_bar_done and bar.total > (reading.bar_total or 0))
    if is_shorter or reading.suite is not None or bar.total == 0:
        return reading, ()
    first = bar.epoch if reading.first_epoch is None else reading.first_epoch
    reading = _replace(reading, bar_total=bar.total, is_bar_done=bar.done >= bar.total, first_epoch=first)
    step, max_steps = _counted_over_epochs(bar, first)
    if reading.has_step_lines:
        reading, plan = _planned(reading, reading.step or step, max_steps, now) if reading.is_planned else (reading, ())
        return reading, plan
    if step == 0:
        return reading, ()
    update = bar.update
    seen = SeenStep(
        step=step, max_steps=max_steps, loss=update.loss, learning_rate=update.learning_rate,
        step_s=update.step_s, metrics=update.metrics,
    )  # fmt: skip
    return _stepped(reading, seen, now)


def _counted_over_epochs(bar: SeenBar, first_epoch: int | None) -> tuple[int, int | None]:
    """The update that a bar stands at and how many there will be. Lightning counts epochs from 0, others from 1."""
    if bar.epoch is None:
        return bar.done, bar.total
    base = 1 if first_epoch == 1 else 0
    epochs = None if bar.last_epoch is None else bar.last_epoch + 1 - base
    return max(0, bar.epoch - base) * bar.total + bar.done, None if epochs is None else epochs * bar.total


def _counted(reading: Reading, fact: SeenEpisodes, now: Circumstances) -> Told:
    successes = reading.successes if fact.successes is None else fact.successes
    episodes = reading.episodes if fact.episodes is None else fact.episodes
    reading = _replace(reading, successes=successes, episodes=episodes)
    if fact.episodes is None:
        return reading, ()
    return reading, (_evaluating(reading, reading.suite, episodes, now),)


def _evaluating(reading: Reading, suite: str | None, done: int | None, now: Circumstances) -> PhaseChange:
    return PhaseChange(
        at=now.at, attempt=now.attempt, phase=Phase.EVALUATING, step=reading.step, detail=suite or "", done=done
    )  # fmt: skip


def _evaluated(reading: Reading, fact: SeenEvaluation, now: Circumstances) -> Told:
    """What the line does not tell, the lines before it have; rate and counts that contradict each other are no pair."""
    episodes = (fact.episodes if fact.episodes is not None else reading.episodes) or 0
    successes = (fact.successes if fact.successes is not None else reading.successes) or 0
    rate = 100 * successes / episodes if fact.success_rate is None else fact.success_rate
    if fact.successes is None and episodes:
        successes = round(rate * episodes / 100)
    step = (reading.step or 0) if fact.step is None else fact.step
    before, low_high = reading.early_stop, success_interval(rate, episodes)
    counter = before.after(rate, step, now.early_stop)
    told = Evaluation(
        at=now.at, attempt=now.attempt, step=step, suite=fact.suite or reading.suite or UNKNOWN_SUITE,
        successes=successes, episodes=episodes, success_rate=rate, low=low_high[0], high=low_high[1],
        improved=before.is_improved_by(rate, now.early_stop), best=counter.best, best_step=counter.best_step,
        bad_evaluations=counter.bad_evaluations, log=now.log,
        patience=now.early_stop.patience if now.early_stop.enabled else None,
    )  # fmt: skip
    after = _replace(
        reading, step=step, suite=None, successes=None, episodes=None, best=counter.best,
        best_step=counter.best_step, bad_evaluations=counter.bad_evaluations,
    )  # fmt: skip
    return after, (told,)
