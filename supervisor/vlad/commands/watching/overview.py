"""One run at a glance, for the verbs that list and show: its record with what it last reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from vlad.commands.text import STATE_TONES, Column, Ink, Tone
from vlad.policy.eta import estimate
from vlad.records import figures
from vlad.records.history import name_in
from vlad.records.outcome import Cause
from vlad.records.parts import whole_of, with_parts_below
from vlad.records.progress import Phase
from vlad.records.run import RunRecord, State
from vlad.records.rundir import RunDirectory
from vlad.records.summary import Summary, of_attempt
from vlad.records.summary_reading import read_summary


@dataclass(frozen=True, slots=True)
class Overview:
    """A run now (`at` in Unix seconds)."""

    record: RunRecord
    summary: Summary
    at: float

    @classmethod
    def read(cls, run: RunDirectory, at: float) -> "Overview":
        """Raises RecordError for a run that cannot be read."""
        record = run.read_record()
        return cls(record, of_attempt(read_summary(run).summary, record.current_attempt), at)

    @property
    def is_live(self) -> bool:
        return not self.record.state.is_final

    @property
    def tone(self) -> Tone:
        """Of the state."""
        quiet = self.record.quiet if self.is_live else None
        if quiet is None:
            return STATE_TONES[self.record.state]
        return Tone.BAD if quiet.is_hung else Tone.CARE

    @property
    def ranks(self) -> int | None:
        return self.summary.ranks or self.record.nproc

    def state_text(self) -> str:
        """E.g. "RUNNING training", "BACKOFF 40s", "SUCCEEDED early stop"."""
        record = self.record
        if record.state is State.RUNNING and record.quiet:
            return f"{record.state} {'hung' if record.quiet.is_hung else 'quiet'} {self.quiet_text()}"
        if record.state is State.RUNNING and self.summary.phase:
            return f"{record.state} {self.summary.phase}{self._part_text()}"
        if record.state is State.QUEUED and record.queue and record.queue.position:
            return f"{record.state} {record.queue.position} of {record.queue.length}"
        if record.state is State.BACKOFF and record.restart_at:
            return f"{record.state} {figures.duration(record.restart_at - self.at)}"
        if record.state is State.SUCCEEDED and record.reason:
            return f"{record.state} {record.reason.words}"
        if record.state is State.FAILED:
            return f"{record.state} {_failure_text(record)}".rstrip()
        return str(record.state)

    def _part_text(self) -> str:
        """How much of an evaluation is through."""
        summary = self.summary
        if summary.phase is not Phase.EVALUATING or not summary.phase_total:
            return ""
        return f" {summary.phase_done or 0}/{summary.phase_total}"

    def quiet_text(self) -> str:
        """For how long it has told nothing."""
        return figures.age(self.at - self.record.quiet.since) if self.record.quiet else ""

    def eta_text(self) -> str:
        eta = estimate(self.summary, self.at) if self.is_live else None
        return figures.UNKNOWN if eta is None else f"{'> ' * eta.is_lower_bound}{figures.duration(eta.remaining_s)}"

    def step_text(self) -> str:
        if self.summary.step is None:
            return figures.UNKNOWN
        step = figures.count(self.summary.step)
        return step if self.summary.max_steps is None else f"{step}/{figures.count(self.summary.max_steps)}"

    def success_text(self) -> str:
        """A rate is shown with its episodes, where the program tells them."""
        last = self.summary.last_evaluation
        if last is None:
            return figures.UNKNOWN
        if last.failure:
            return "failed"
        return figures.percent(last.success_rate) + (f" of {last.episodes}" if last.episodes else "")

    def patience_text(self) -> str:
        summary = self.summary
        return f"{summary.bad_evaluations}/{summary.patience}" if summary.patience else figures.UNKNOWN

    def as_json(self) -> dict[str, Any]:
        eta = estimate(self.summary, self.at) if self.is_live else None
        return {
            **msgspec.to_builtins(self.record),
            "progress": msgspec.to_builtins(self.summary),
            "eta_s": None if eta is None else eta.remaining_s,
        }


def _failure_text(record: RunRecord) -> str:
    """The cause; a bare exit as its code."""
    ended, diagnosis = record.attempt.exit if record.attempt else None, record.diagnosis
    if ended is not None and ended.code and diagnosis is not None and diagnosis.cause is Cause.EXITED:
        return f"exit {ended.code}"
    return diagnosis.cause.lower().replace("_", " ") if diagnosis else ""


def live_parts(run: RunDirectory) -> list[RunDirectory]:
    """The live runs that work for this one."""
    others = map(run.home.run, run.home.live_ids())
    return [other for other in others if whole_of(other.spec) == run.run_id]


BELOW = "└ "
COLUMNS = (
    Column(title="RUN"),
    Column(title="STATE"),
    Column(title="STEP", right=True),
    Column(title="ETA", right=True, expendable=2),
    Column(title="LOSS", right=True, expendable=4),
    Column(title="SUCCESS", right=True, expendable=1),
    Column(title="STOP", right=True, expendable=3),
    Column(title="RANKS", right=True, expendable=6),
    Column(title="TTY", expendable=7),
    Column(title="AGE", right=True, expendable=5),
)


def rows(overviews: Sequence[Overview], ink: Ink) -> list[list[str]]:
    """A line of the list for each run, of parts below that of the run that they are of."""
    return [
        [
            _run_cell(one.record, is_below=is_below),
            ink(one.state_text(), one.tone),
            one.step_text(),
            one.eta_text(),
            figures.number(one.summary.loss),
            one.success_text(),
            one.patience_text(),
            str(one.ranks or figures.UNKNOWN),
            figures.terminal(one.record.tty),
            figures.age(one.at - one.record.created_at),
        ]
        for one, is_below in with_parts_below(overviews)
    ]


def _run_cell(record: RunRecord, *, is_below: bool) -> str:
    if is_below:
        return f"{BELOW}{record.run_id}"
    return f"{record.run_id} of {name_in(record.part_of)}" if record.part_of else record.run_id
