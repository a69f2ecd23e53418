"""vlad show: everything about one run."""

import shlex
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress

import msgspec

from vlad.commands.command import Command, add_json, add_run, found_run, our_home, print_json
from vlad.commands.text import Column, Ink, Tone, pairs, safe, table
from vlad.commands.watching.overview import Overview, live_parts
from vlad.commands.watching.why import attempt_line
from vlad.host.processes import is_alive
from vlad.policy.secrets import redacted
from vlad.records import figures
from vlad.records.files import RecordError
from vlad.records.progress import Evaluation
from vlad.records.run import State
from vlad.records.rundir import RunDirectory
from vlad.records.spec import RunSpec

EVALUATIONS = 10
EVALUATION_COLUMNS = (
    Column(title="STEP", right=True),
    Column(title="SUITE"),
    Column(title="SUCCESS", right=True),
    Column(title="EPISODES", right=True),
    Column(title="95% INTERVAL", right=True),
    Column(title="STOP", right=True),
    Column(title=""),
)


def _add(parser: ArgumentParser) -> None:
    add_run(parser)
    add_json(parser)


def _run(arguments: Namespace) -> int:
    from vlad.supervise.adopt import adopt_orphans

    adopt_orphans(our_home())
    run = found_run(arguments.run)
    overview, spec, evaluations = Overview.read(run, time.time()), run.read_spec(), run.read_evaluations()
    if arguments.json:
        print_json(
            {
                **overview.as_json(),
                "spec": {**msgspec.to_builtins(spec), "argv": redacted(spec.argv)},
                "evaluations": msgspec.to_builtins(evaluations),
                "directory": str(run.path),
            }
        )
    else:
        print(_text(run, overview, spec, evaluations, Ink.for_stream(sys.stdout)))
    return 0


def _text(
    run: RunDirectory, overview: Overview, spec: RunSpec, evaluations: list[Evaluation], ink: Ink
) -> str:  # fmt: skip
    parts = [
        pairs([*_state_rows(overview, ink), *_progress_rows(overview), *_part_rows(run, overview.at, ink)], ink),
        _attempts(overview, ink),
        _evaluations(evaluations, ink),
        pairs(_origin_rows(run, spec), ink),
    ]
    return "\n\n".join(part for part in parts if part)


def _state_rows(overview: Overview, ink: Ink) -> list[tuple[str, str]]:
    record = overview.record
    rows = [("run", record.run_id), ("state", ink(overview.state_text(), overview.tone))]
    rows += [("part of", record.part_of)] if record.part_of else []
    if record.why and record.state is not State.RUNNING:  # then it is the number of the attempt, which stands below
        rows.append(("why", safe(record.why)))
    if record.quiet is not None and overview.is_live:
        rows.append(("quiet", ink(safe(record.quiet.told(overview.at)), overview.tone)))
        rows += [("stands", safe(evidence.text)) for evidence in record.quiet.evidence]
    if record.diagnosis is not None and not overview.is_live:
        is_told = record.diagnosis.summary in record.why
        rows += [] if is_told else [("cause", safe(record.diagnosis.summary))]
        rows.append(("evidence", f"`vlad why {record.run_id}` quotes it, and says what to do"))
    rows += [("left behind", ink(safe(one.told), Tone.BAD)) for one in record.leftovers if is_alive(one.process)]
    until = record.ended_at or overview.at
    spent_s = record.ran_s(overview.at) if record.has_begun else until - record.created_at
    spent = f"{'ran' if record.has_begun else 'waited'} {figures.duration(spent_s)}"
    rows.append(("age", f"{figures.duration(overview.at - record.created_at)}, {spent}"))
    return rows


def _progress_rows(overview: Overview) -> list[tuple[str, str]]:
    summary = overview.summary
    checkpoint, best = summary.last_checkpoint, summary.best_checkpoint
    candidates = [
        ("step", None if summary.step is None else overview.step_text()),
        ("ETA", overview.eta_text() if overview.is_live else None),
        ("loss", None if summary.loss is None else figures.number(summary.loss)),
        ("speed", None if summary.typical_step_s is None else f"{figures.number(summary.typical_step_s)} s a step"),
        ("samples", None if summary.samples_per_s is None else f"{figures.number(summary.samples_per_s)} a second"),
        ("memory", None if summary.memory_bytes is None else figures.size(summary.memory_bytes)),
        ("ranks", None if overview.ranks is None else str(overview.ranks)),
        ("best", None if summary.best is None else f"{figures.percent(summary.best)} at step {summary.best_step}"),
        ("early stop", f"{overview.patience_text()} evaluations without improvement" if summary.patience else None),
        ("GPUs", ", ".join(f"{gpu.index} ({gpu.name})" for gpu in overview.record.gpus) or None),
        ("checkpoint", None if checkpoint is None else f"step {checkpoint.step}: {checkpoint.path}"),
        ("best one", None if best is None or best == checkpoint else f"step {best.step}: {best.path}"),
        *(("warning", safe(warning)) for warning in summary.warnings),
    ]
    return [(name, value) for name, value in candidates if value is not None]


def _part_rows(run: RunDirectory, at: float, ink: Ink) -> list[tuple[str, str]]:
    """The live runs that work for this one, as far as they can be read."""
    rows = []
    for other in live_parts(run):
        with suppress(RecordError):
            part = Overview.read(other, at)
            rows.append(("part", f"{other.run_id} {ink(part.state_text(), part.tone)}"))
    return rows


def _attempts(overview: Overview, ink: Ink) -> str:
    lines = [attempt_line(one) for one in overview.record.attempts]
    return "\n".join([ink("attempts", Tone.TITLE), *lines]) if lines else ""


def _evaluations(evaluations: list[Evaluation], ink: Ink) -> str:
    """The newest few; the best is marked."""
    rows = [_evaluation_row(one) for one in evaluations[-EVALUATIONS:]]
    return table(EVALUATION_COLUMNS, rows, ink) if rows else ""


def _evaluation_row(one: Evaluation) -> list[str]:
    if one.failure is not None:
        return [figures.count(one.step), one.suite, "failed", "", "", "", safe(one.failure)]
    counter = f"{one.bad_evaluations}/{one.patience}" if one.patience else figures.UNKNOWN
    interval = f"{figures.percent(one.low)} to {figures.percent(one.high)}" if one.episodes else figures.UNKNOWN
    successes = f"{one.successes} of {one.episodes}" if one.episodes else figures.UNKNOWN
    note = "improved" if one.improved else ""
    return [figures.count(one.step), one.suite, figures.percent(one.success_rate), successes, interval, counter, note]


def _origin_rows(run: RunDirectory, spec: RunSpec) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in spec.packages.items())
    candidates = [
        ("command", safe(shlex.join(redacted(spec.argv)))),
        ("folder", spec.cwd),
        ("config", spec.config_file),
        ("resumed", spec.resume_from),
        ("started", f"{_date(spec.created_at)} by {spec.created_by} on {spec.host}, {figures.terminal(spec.tty)}"),
        ("commit", spec.git_commit),
        ("versions", versions or None),
        ("files", str(run.path)),
    ]
    return [(name, value) for name, value in candidates if value is not None]


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


SHOW = Command(
    run=_run,
    add=_add,
    examples="""
    vlad show last
    vlad show spatial --json | jq .progress.last_checkpoint.path
    """,
)
