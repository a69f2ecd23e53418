"""What is said of the evaluation that goes on, and where there is none yet. Pure."""

from vlad.records import figures
from vlad.records.home_view import RunView
from vlad.records.spec import RunSpec

from vlatui.look import bars
from vlatui.look.tones import Line, Span, Tone
from vlatui.look.words import tr
from vlatui.reading.under_way import UnderWay
from vlatui.telling import outlook

BAR = 16
NONE_YET = "No evaluation yet."


def under_way_line(under_way: UnderWay, now: float) -> Line:
    """Of which step, how far, since when (Unix seconds: `now`), and how long it takes yet."""
    step = "" if under_way.step is None else f"{under_way.step:,}"
    spans = [Span(tr("step {step} is evaluated", step=step).rstrip(), Tone.ACCENT)]
    took_s = max(0.0, now - under_way.since)
    done, total = under_way.done or 0, under_way.total
    if total:
        spans += [Span("  "), *bars.progress_bar(done / total, BAR)]
        spans.append(Span(f" {tr('{done} of {total} episodes', done=done, total=total)}"))
    spans.append(Span(f"  {figures.duration(took_s)}", Tone.MUTED))
    if total and done:
        left = figures.duration(took_s * max(0, total - done) / done)
        spans.append(Span(f"  {tr('~{time} left', time=left)}", Tone.MUTED))
    return spans


def nothing_yet(run: RunView | None, spec: RunSpec | None, under_way: UnderWay | None) -> tuple[str, str]:
    """Two lines for a run without evaluations: when the first one comes, or that none will."""
    return tr(NONE_YET), _first_one(run, spec, under_way)


def _first_one(run: RunView | None, spec: RunSpec | None, under_way: UnderWay | None) -> str:
    if under_way is not None:
        return tr("the first one goes on")
    switch = spec.config.get("enable_periodic_eval") if spec else None
    if switch is not None and switch.value is False:
        return tr("this run makes none: enable_periodic_eval is false")
    if run is None:
        return tr("each one appears here with its interval and its tasks")
    if run.summary.evaluates_beside:
        return tr("its evaluations are runs of their own, and appear here in the order of their steps")
    if not run.is_live:
        return tr("the run ended before its first one")
    due = outlook.to_next(run.summary, run.summary.eval_every_steps)
    if due is None or run.summary.step is None:
        return tr("each one appears here with its interval and its tasks")
    after = f" ~{figures.duration(due.seconds)}" if due.seconds is not None else ""
    return tr("the first one comes at step {step}", step=f"{run.summary.step + due.steps:,}") + after
