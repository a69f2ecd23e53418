"""The table of runs: which columns there are, and what each says about a run. Pure."""

from collections.abc import Set
from pathlib import PurePath

from vlad.records import figures
from vlad.records.foreign import ForeignJob
from vlad.records.history import RUN_ID
from vlad.records.home_view import RunView
from vlad.records.run import State
from vlad.records.summary import Summary

from vlatui.look import bars
from vlatui.look.columns import Column, Row
from vlatui.look.scales import spark
from vlatui.look.tones import Cell, Span, Tone, cell
from vlatui.look.words import tr
from vlatui.telling import describe, outlook

COLUMNS = (
    Column("mark", "", 1),
    Column("name", "RUN", 12, grows=True, most=48, eased=24),
    Column("host", "HOST", 4, priority=2, most=20),
    Column("state", "STATE", 8),
    Column("phase", "PHASE", 10, priority=8),
    Column("step", "STEP", 7, align="right", priority=1),
    Column("bar", "", 12, priority=12),
    Column("eta", "ETA", 6, align="right", priority=3),
    Column("loss", "LOSS", 6, align="right", priority=4),
    Column("trend", "", 12, priority=13),
    Column("success", "SUCCESS", 7, align="right", priority=2),
    Column("patience", "STOP", 3, align="right", priority=6),
    Column("ranks", "RANKS", 1, align="right", priority=10),
    Column("tty", "TTY", 8, priority=9),
    Column("age", "AGE", 3, align="right", priority=5),
)
CHOOSABLE = (
    ("state", "STATE", "what the run is doing"),
    ("phase", "PHASE", "loading, training, evaluating or saving"),
    ("step", "STEP", "steps done, of all"),
    ("bar", "progress", "the same as a bar"),
    ("eta", "ETA", "time to the last step"),
    ("loss", "LOSS", "the newest loss"),
    ("trend", "trend", "the losses before it"),
    ("success", "SUCCESS", "the last evaluation"),
    ("patience", "STOP", "evaluations without improvement, of the patience"),
    ("ranks", "RANKS", "processes"),
    ("tty", "TTY", "the terminal it was started from"),
    ("age", "AGE", "since it was started"),
)
"""Columns that may be left out: key, name, what it says."""
FOREIGN = "foreign:"
HERE = "here"
BELOW = "└ "
FOLDED, UNFOLDED = "▸", "▾"
NOTHING = cell(figures.UNKNOWN, Tone.FAINT)


def run_row(run: RunView, now: float, *, is_below: bool = False, is_unfolded: bool = False) -> Row:
    """One run as a row, `is_below` that of the run that it is a part of; the ages are as of `now` (Unix seconds).

    `is_unfolded`: its ended parts are listed.
    """
    record, summary = run.record, run.summary
    cells: dict[str, Cell] = {
        "mark": (describe.state_mark(record.state),),
        "name": _name(run, is_below=is_below, is_unfolded=is_unfolded),
        "host": _host(run, now),
        "state": (describe.standing(record),),
        "activity": (describe.activity(record, summary),),
        "phase": _phase(run),
        "step": _step(summary),
        "bar": _bar(run),
        "eta": _known(outlook.to_end(summary, now) if run.is_live else figures.UNKNOWN),
        "loss": _known(figures.number(summary.loss)),
        "trend": _trend(summary),
        "success": _success(summary),
        "patience": _patience(summary),
        "ranks": _known(str(summary.ranks or record.nproc or figures.UNKNOWN)),
        "tty": cell(tr(figures.terminal(record.tty)), Tone.PLAIN if record.tty else Tone.MUTED),
        "age": cell(figures.age(now - record.created_at), Tone.MUTED),
    }
    return Row(record.run_id, cells, is_dimmed=not run.is_live or run.stale_since is not None)


def _name(run: RunView, *, is_below: bool, is_unfolded: bool) -> Cell:
    name = Span(run.record.name, Tone.STRONG if run.is_live else Tone.PLAIN)
    own = (Span(BELOW, Tone.FAINT), name) if is_below else (name, *describe.whole(run.record))
    if not run.ended_parts:
        return own
    return (*own, Span(f" {UNFOLDED if is_unfolded else FOLDED}{run.ended_parts}", Tone.COUNT))


def _host(run: RunView, now: float) -> Cell:
    if run.stale_since is None:
        return cell(run.site or tr(HERE), Tone.PLAIN if run.site else Tone.MUTED)
    return (Span(run.site), Span(f" {figures.age(now - run.stale_since)}", Tone.WARN))


def unreadable_row(name: str, words: str = "") -> Row:
    """A run that cannot be read, or a host that is not reached; `words` end with … while that is being tried."""
    state = cell(tr("unreadable") if RUN_ID.fullmatch(name) else tr("not reached"), Tone.BAD)
    if words.endswith("…"):
        state = cell(tr("connecting"), Tone.INFO)
    mark = cell("…", Tone.INFO) if words.endswith("…") else cell("!", Tone.BAD)
    return Row(name, {"mark": mark, "name": cell(name), "state": state, "activity": state})


def _phase(run: RunView) -> Cell:
    is_at_work = run.record.state in (State.RUNNING, State.STOPPING)
    return (describe.phase_word(run.summary.phase),) if is_at_work and run.summary.phase else NOTHING


def foreign_key(job: ForeignJob, site: str = "") -> str:
    return f"{FOREIGN}{site}{job.process.pid}-{job.process.start_ticks}"


def foreign_row(job: ForeignJob, now: float, site: str = "") -> Row:
    """A training that vlad did not start, below the runs."""
    step = figures.UNKNOWN if job.step is None else str(job.step)
    cells = {
        "mark": cell("◇", Tone.INFO),
        "name": cell(job_name(job), Tone.PLAIN),
        "host": cell(site or tr(HERE), Tone.PLAIN if site else Tone.MUTED),
        "state": cell(tr("foreign"), Tone.INFO),
        "activity": cell(tr("foreign"), Tone.INFO),
        "step": _known(step),
        "success": _known(figures.percent(job.success_rate)),
        "ranks": cell(str(len(job.pids)), Tone.MUTED),
        "tty": cell(job.tty or tr("none"), Tone.WARN if job.tty else Tone.MUTED),
        "age": cell(figures.age(now - job.started_at), Tone.MUTED),
    }
    return Row(foreign_key(job, site), cells)


def job_name(job: ForeignJob) -> str:
    """The script that it runs, else its program."""
    scripts = [word for word in job.command if word.endswith((".py", ".sh"))]
    return PurePath((scripts or [*job.command, "?"])[0]).name


def _known(text: str) -> Cell:
    return NOTHING if text == figures.UNKNOWN else cell(text)


def _step(summary: Summary) -> Cell:
    if summary.step is None:
        return NOTHING
    if summary.max_steps is None:
        return cell(str(summary.step))
    return (Span(str(summary.step)), Span(f"/{summary.max_steps}", Tone.MUTED))


def _bar(run: RunView) -> Cell:
    part = outlook.progress(run.summary)
    tone = Tone.ACCENT if run.is_live else describe.state_mark(run.record.state).tone
    return () if part is None else tuple(bars.progress_bar(part, 12, tone))


def _trend(summary: Summary) -> Cell:
    return cell(spark(summary.loss_history, 12), Tone.TREND)


def _rate(summary: Summary) -> Cell:
    evaluation = summary.last_evaluation
    if evaluation is None:
        return NOTHING
    if evaluation.failure is not None:
        return cell(tr("error"), Tone.BAD)
    return cell(figures.percent(evaluation.success_rate), Tone.GOOD if evaluation.improved else Tone.PLAIN)


def _success(summary: Summary) -> Cell:
    evaluation = summary.last_evaluation
    if evaluation is None or evaluation.failure is not None:
        return _rate(summary)
    of = (
        f" {tr('of {count}', count=evaluation.episodes)}" if evaluation.episodes else ""
    )  # a rate that a log tells may come without them
    return (*_rate(summary), Span(of, Tone.MUTED))


def _patience(summary: Summary) -> Cell:
    if not summary.patience:
        return NOTHING
    tone = Tone.WARN if summary.bad_evaluations * 2 > summary.patience else Tone.PLAIN
    return (Span(str(summary.bad_evaluations), tone), Span(f"/{summary.patience}", Tone.MUTED))


def columns_for(width: int, *, has_hosts: bool = False, hidden: Set[str] = frozenset()) -> tuple[Column, ...]:
    """The columns worth their room at this width: where the phase has no column of its own, the state tells it."""
    is_wide = width >= 110
    left_out = set() if is_wide else {"phase", "ranks"}
    left_out |= set() if has_hosts else {"host"}
    left_out |= {"bar"} if width < 136 else set()
    left_out |= {"trend"} if width < 152 else set()
    left_out |= hidden
    columns = [column for column in COLUMNS if column.key not in left_out]
    if is_wide:
        return tuple(columns)
    return tuple(Column("activity", "STATE", 8) if column.key == "state" else column for column in columns)
