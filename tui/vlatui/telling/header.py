"""The header of the selected run as lines: where it stands, how far it is, what comes next, why it died. Pure."""

from collections.abc import Iterable

from vlad.policy.advice import to_do
from vlad.policy.eta import only_evaluates
from vlad.policy.restart import restarts_spent
from vlad.records import figures
from vlad.records.foreign import ForeignJob
from vlad.records.home_view import RunView
from vlad.records.outcome import Diagnosis
from vlad.records.run import Attempt, RunRecord, State
from vlad.records.summary import Summary
from vlad.records.wording import english

from vlatui.look import bars, format
from vlatui.look.scales import spark
from vlatui.look.tones import Line, Span, Tone, broken_text, cut, justified, safe, width_of
from vlatui.look.words import told, tr
from vlatui.telling import describe, outlook

Fact = list[Span]
MOST_BANNER_LINES = 6
NO_FOREIGN_LOG = "no log was found; vlad adopt --log FILE names it"
LIVE_BANNERS = {State.BACKOFF, State.STOPPING, State.QUEUED}


def header_lines(run: RunView, now: float, width: int, most_facts: int = 2, budget: int | None = None) -> list[Line]:
    """The lines for a run at `now` (Unix seconds) in `width` cells; `budget` are the restarts that it is allowed."""
    lines = [justified(_title(run), _place(run), width)]
    if (bar := _progress(run, now, width)) is not None:
        lines.append(bar)
    lines += flowed(facts(run, now, budget), width)[:most_facts]
    return [*lines, *_stale(run, now, width), *banner(run, now, width)]


def _stale(run: RunView, now: float, width: int) -> list[Line]:
    if run.stale_since is None:
        return []
    return barred(
        [
            tr(
                "{host} is not reached: this is how it stood {age} ago",
                host=run.site,
                age=figures.age(now - run.stale_since),
            )
        ],
        Tone.WARN,
        width,
    )


def foreign_lines(job: ForeignJob, width: int) -> list[Line]:
    """A training that vlad did not start: what it is, where it writes, and what can be done."""
    gpus = f"GPU {', '.join(map(str, job.gpus))}" if job.gpus else tr("no GPU seen")
    count = tr("1 process") if len(job.pids) == 1 else tr("{count} processes", count=len(job.pids))
    place = " · ".join((count, gpus, job.tty or tr("no TTY")))
    title = [
        Span(tr("process {pid}", pid=job.process.pid), Tone.TITLE),
        Span(f"  {tr('not started by vlad')}", Tone.INFO),
    ]
    log = tr("log {file} ({found_by})", file=job.log, found_by=tr(job.log_by)) if job.log else tr(NO_FOREIGN_LOG)
    lines = [justified(title, [Span(place, Tone.MUTED)], width), [Span(safe(" ".join(job.command)))]]
    return [
        *lines,
        [Span(log, Tone.MUTED)],
        *barred([tr("a adopts it: it is watched, stopped and explained as a run")], Tone.INFO, width),
    ]


def _title(run: RunView) -> Line:
    record, summary = run.record, run.summary
    spans = [
        Span(record.name, Tone.TITLE),
        *describe.whole(record),
        Span("  "),
        describe.state_mark(record.state),
        Span(" "),
    ]
    spans.append(describe.standing(record))
    if record.state is State.RUNNING and summary.phase is not None:
        spans += [Span(" · ", Tone.FAINT), describe.phase_word(summary.phase)]
        if summary.phase_total:
            spans.append(Span(f" {summary.phase_done or 0}/{summary.phase_total}", Tone.PLAIN))
        if summary.phase_detail:
            spans.append(Span(f" {summary.phase_detail}", Tone.MUTED))
    return spans


def _place(run: RunView) -> Line:
    record = run.record
    ranks = run.summary.ranks or record.nproc
    words = [tr("1 rank") if ranks == 1 else tr("{count} ranks", count=ranks)] if ranks else []
    words += [tr("attempt {number}", number=len(record.attempts))] if len(record.attempts) > 1 else []
    words += [describe.gpu_words(record.gpus)] if record.gpus else []
    words += [tr(figures.terminal(record.tty)), record.host]
    return [Span(" · ".join(words), Tone.MUTED)]


def _progress(run: RunView, now: float, width: int) -> Line | None:
    """Steps, bar, percent, pace, ETA on one line; None while the run has told no step."""
    summary = run.summary
    if summary.step is None:
        return None
    part = outlook.progress(summary)
    of = f"/{summary.max_steps:,}" if summary.max_steps else ""
    step = f"{summary.step:,}"
    makes_steps = not only_evaluates(summary)
    words = step if makes_steps else tr("step {step}", step=step)
    left = [Span(words, Tone.STRONG), Span(of, Tone.MUTED), Span(" ")]
    right = [Span(f" {part:4.0%}" if part is not None else "", Tone.STRONG)]
    if run.is_live:
        right += [Span(f"  {format.pace(summary.typical_step_s)}", Tone.MUTED)] if makes_steps else []
        right += [Span(f"  {tr('ETA')} ", Tone.MUTED), Span(outlook.to_end(summary, now), Tone.STRONG)]
    tone = Tone.ACCENT if run.is_live else describe.state_mark(run.record.state).tone
    room = width - width_of(left) - width_of(right)
    return [*left, *bars.progress_bar(part, max(0, room), tone), *right]


def facts(run: RunView, now: float, budget: int | None = None) -> list[Fact]:
    """The numbers worth a glance, most wanted first."""
    summary = run.summary
    found = [
        *_loss_facts(summary),
        *_success_facts(summary),
        *(_restart_facts(run, budget) if run.is_live else []),
    ]
    found += _next_facts(summary) if run.is_live else []
    if run.ended_parts:
        found.append([*_fact("ended parts", str(run.ended_parts)), Span(" ← →", Tone.MUTED)])
    found += _pace_facts(summary)
    if run.is_live and summary.phase_since is not None and summary.step is None:
        found.append(_fact("for", figures.duration(now - summary.phase_since)))
    return found


def _fact(label: str, value: str, tone: Tone = Tone.PLAIN) -> Fact:
    return [Span(f"{tr(label)} ", Tone.MUTED), Span(value, tone)]


def _loss_facts(summary: Summary) -> Iterable[Fact]:
    if summary.loss is not None:
        trend = spark(summary.loss_history, 16)
        yield [*_fact("loss", figures.number(summary.loss), Tone.STRONG), Span(f" {trend}", Tone.TREND)]


def _success_facts(summary: Summary) -> Iterable[Fact]:
    last = summary.last_evaluation
    if last is not None and last.failure is None:
        interval = f" ({last.low:.0f}-{last.high:.0f}) {tr('of {count}', count=last.episodes)}" if last.episodes else ""
        yield [*_fact("success", figures.percent(last.success_rate), Tone.STRONG), Span(interval, Tone.MUTED)]
    if summary.best is not None:
        at = tr("{rate} at {step}", rate=figures.percent(summary.best), step=f"{summary.best_step or 0:,}")
        yield _fact("best", at, Tone.GOOD)
    if summary.patience:
        count = f" {summary.bad_evaluations}/{summary.patience}"
        squares = bars.gauge(summary.bad_evaluations, summary.patience, Tone.WARN)
        yield [Span(f"{tr('early stop')} ", Tone.MUTED), *squares, Span(count if squares else count.strip())]


def _restart_facts(run: RunView, budget: int | None) -> Iterable[Fact]:
    """How much of the budget is spent, while some is."""
    since_start = run.record.attempts[run.record.first_attempt - 1 :]
    spent = restarts_spent(since_start, run.summary.last_checkpoint)
    if budget and spent:
        tone = Tone.BAD if spent >= budget else Tone.WARN
        yield [
            Span(f"{tr('restarts')} ", Tone.MUTED),
            *bars.gauge(min(spent, budget), budget, tone),
            Span(f" {spent}/{budget}"),
        ]


def _next_facts(summary: Summary) -> Iterable[Fact]:
    for what, every in (("next evaluation in", summary.eval_every_steps), ("next checkpoint in", summary.save_steps)):
        if (due := outlook.to_next(summary, every)) is not None:
            after = f" ~{figures.duration(due.seconds)}" if due.seconds is not None else ""
            yield [*_fact(what, f"{due.steps:,}"), Span(after, Tone.MUTED)]


def _pace_facts(summary: Summary) -> Iterable[Fact]:
    if summary.learning_rate is not None:
        yield _fact("lr", figures.scientific(summary.learning_rate))
    if summary.samples_per_s is not None:
        yield _fact("samples/s", f"{summary.samples_per_s:.1f}")
    if summary.memory_bytes is not None:
        yield _fact("memory", figures.size(summary.memory_bytes))
    if summary.epoch is not None:
        yield _fact("epoch", f"{summary.epoch:.2f}")


def flowed(chunks: Iterable[Fact], width: int, gap: int = 3) -> list[Line]:
    """Chunks set side by side, on as many lines as they need."""
    lines: list[Line] = []
    for chunk in chunks:
        if lines and width_of(lines[-1]) + gap + width_of(chunk) <= width:
            lines[-1] = [*lines[-1], Span(" " * gap), *chunk]
        else:
            lines.append(list(chunk))
    return lines


def banner(run: RunView, now: float, width: int) -> list[Line]:
    """What the user must know now: a cause of death, a pending restart, a stop under way, the newest warning."""
    record = run.record
    if record.leftovers:
        left = barred([describe.leftover_words(record.leftovers)], Tone.BAD, width)
        why = diagnosis_lines(record, width) if record.state is State.FAILED else []
        return [*left, *why][:MOST_BANNER_LINES]
    if record.state is State.FAILED:
        return diagnosis_lines(record, width)[:MOST_BANNER_LINES]
    if record.state in LIVE_BANNERS:
        return barred([_waiting_words(record, now)], Tone.WARN, width)
    if run.is_live and record.quiet is not None:
        tone = Tone.BAD if record.quiet.is_hung else Tone.WARN
        where = [evidence.text for evidence in record.quiet.evidence[:2]]
        return barred([told(record.quiet.said(now), record.quiet.told(now)), *where], tone, width)
    if not run.is_live and (words := describe.outcome(record)):
        return barred([words], describe.state_mark(record.state).tone, width)
    if run.is_live and run.summary.warnings:
        return barred([run.summary.warnings[-1]], Tone.WARN, width)
    return []


def _waiting_words(record: RunRecord, now: float) -> str:
    if record.state is State.STOPPING:
        return told(record.said, record.why) or tr("stopping: a checkpoint is saved first")
    if record.state is State.QUEUED:
        words = describe.queue_words(record.queue) if record.queue else told(record.said, record.why)
        return words or tr("waits to be started")
    at = record.restart_at
    is_soon = at is None or at <= now
    due = tr("restarts soon") if is_soon else tr("restarts in {time}", time=figures.duration((at or now) - now))
    return f"{told(record.said, record.why) or tr('the attempt failed')}; {due}"


def diagnosis_lines(record: RunRecord, width: int) -> list[Line]:
    """Why the last attempt ended; the exit alone where nothing was diagnosed."""
    if record.attempt is not None and record.diagnosis is not None:
        return diagnosed_lines(record, record.attempt, width)
    exit = record.attempt.exit if record.attempt else None
    return barred([told(record.said, record.why) or describe.exit_words(exit)], Tone.BAD, width)


def diagnosed_lines(record: RunRecord, attempt: Attempt, width: int, most_lines: int = 2) -> list[Line]:
    """Cause, quoted evidence and advice, as the run stands now. So many lines for a sentence."""
    diagnosis = attempt.diagnosis
    assert diagnosis is not None
    lines = barred([_verdict(diagnosis)], Tone.BAD, width, most_lines=most_lines)
    for evidence in diagnosis.evidence[:2]:
        quoted = format.shortened(safe(evidence.text).strip(), max(8, width - 6))
        lines.append([Span("▌ ", Tone.BAD), Span(f"“{quoted}”", Tone.PLAIN)])
    if advice := to_do(record, attempt):
        lines += barred([f"→ {told(advice, english(advice))}"], Tone.BAD, width, Tone.ACCENT, most_lines)
    return lines


def _verdict(diagnosis: Diagnosis) -> str:
    sure = "" if diagnosis.confidence == "certain" else f" ({tr(diagnosis.confidence)})"
    rank = " " + tr("on rank {rank}", rank=diagnosis.rank) if diagnosis.rank is not None else ""
    return f"{tr(describe.cause_words(diagnosis))}{rank}{sure}: {told(diagnosis.said, diagnosis.summary)}"


def barred(
    paragraphs: Iterable[str], bar: Tone, width: int, tone: Tone | None = None, most_lines: int = 2
) -> list[Line]:
    """Paragraphs behind a coloured bar, wrapped to the width; `most_lines` lines each."""
    lines: list[Line] = []
    for paragraph in paragraphs:
        room = max(8, width - 3)
        texts = broken_text(safe(paragraph), room)
        if len(texts) > most_lines:
            texts = [*texts[: most_lines - 1], cut(" ".join(texts[most_lines - 1 :]), room)]
        lines += [[Span("▌ ", bar), Span(text, tone or bar)] for text in texts]
    return lines
