"""Adapters that a run can go on from, as rows. Pure."""

from collections.abc import Sequence

from vlad.records import figures
from vlad.records.adapters import Adapter

from vlatui.look.columns import Column, Row
from vlatui.look.tones import Span, Tone, cell
from vlatui.look.words import tr

COLUMNS = (
    Column("step", "STEP", 6, align="right"),
    Column("success", "SUCCESS", 7, align="right"),
    Column("age", "SAVED", 6, align="right"),
    Column("name", "OF", 16, grows=True),
)
NO_ADAPTERS = ("No adapter was found.", "a run saves its adapters below adapter_tmp_dir")


def adapter_rows(adapters: Sequence[Adapter], now: float) -> list[Row]:
    """A row an adapter, by its path; the best success is lit."""
    best = max((adapter.success_rate for adapter in adapters if adapter.success_rate is not None), default=None)
    return [_row(adapter, best, now) for adapter in adapters]


def _row(adapter: Adapter, best: float | None, now: float) -> Row:
    is_best = adapter.success_rate is not None and adapter.success_rate == best
    success = cell(figures.UNKNOWN, Tone.FAINT)
    if adapter.success_rate is not None:
        rate = Span(figures.percent(adapter.success_rate), Tone.GOOD if is_best else Tone.PLAIN)
        success = (
            (rate, Span(f" {tr('of {count}', count=adapter.episodes)}", Tone.MUTED)) if adapter.episodes else (rate,)
        )
    cells = {
        "step": cell(figures.UNKNOWN if adapter.step is None else f"{adapter.step:,}", Tone.STRONG),
        "success": success,
        "age": cell(tr("{age} ago", age=figures.age(now - adapter.saved_at)), Tone.MUTED),
        "name": cell(adapter.name),
    }
    return Row(str(adapter.path), cells)
