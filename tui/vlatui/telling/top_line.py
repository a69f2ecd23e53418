"""The line at the top: how many runs there are in each state, and how they are filtered and sorted. Pure."""

from vlad.records.home_view import HomeView
from vlad.records.run import State

from vlatui.look.tones import Line, Span, Tone, justified
from vlatui.look.words import tr
from vlatui.telling import describe
from vlatui.telling.run_filter import RunFilter, RunSort


def top_line(view: HomeView, sort: RunSort, shown: RunFilter, right: str, width: int) -> Line:
    """`right` is dropped where there is no room for it."""
    live = len(view.live)
    left: Line = [Span("vlatui", Tone.TITLE), Span("  ")]
    left += [Span("● ", Tone.GOOD if live else Tone.FAINT), Span(tr("{count} live", count=live))]
    for state in (State.FAILED, State.SUCCEEDED, State.STOPPED):
        if number := view.in_state(state):
            left += [Span("   "), describe.state_mark(state), Span(f" {number} {tr(state.value.lower())}", Tone.MUTED)]
    if view.has_older:
        left.append(Span(f"   {tr('older ones: vlad ls --all')}", Tone.FAINT))
    if sort is not RunSort.NEWEST:
        left.append(Span(f"   {tr('by {order}', order=tr(sort.value))}", Tone.ACCENT))
    if shown.text:
        left.append(Span(f"   / {shown.text}", Tone.ACCENT))
    return justified(left, [Span(right, Tone.WARN if right.startswith(tr("read only")) else Tone.FAINT)], width)
