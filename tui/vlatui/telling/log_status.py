"""The line below a log: whether it is followed, what is searched, how long it is. Pure."""

from bisect import bisect_left
from dataclasses import dataclass

from vlad.logs.search import Matches
from vlad.records import figures

from vlatui.log.file import Extent
from vlatui.look.tones import Line, Span, Tone, justified
from vlatui.look.words import tr
from vlatui.reading.detail import LogSource


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """What is to be told. `place` is where a time was found, `current` the line number of the match gone to, `only` the
    pattern of a filter.
    """

    extent: Extent
    follows: bool
    wraps: bool
    is_live: bool
    note: str
    place: str
    matches: Matches | None
    current: int | None
    only: str
    source: LogSource | None
    consoles: int

    def line(self, width: int) -> Line:
        return justified(self._left(), self._right(), width)

    def _left(self) -> Line:
        spans: Line = [Span(f"❚❚ {tr('paused')}", Tone.WARN), Span(f", {tr('f follows')}", Tone.MUTED)]
        if self.source is None:
            spans = []
        elif self.follows:
            spans = [
                Span(f"● {tr('following')}", Tone.GOOD) if self.is_live else Span(f"■ {tr('at the end')}", Tone.MUTED)
            ]
        if self.note:
            spans += [Span("  "), Span(self.note, Tone.BAD)]
        if self.place:
            spans += [Span("  "), Span(self.place, Tone.INFO)]
        if self.matches is not None:
            spans += [Span("  "), Span(self._match_words(self.matches), Tone.MATCH_NOW)]
        if self.only:
            spans += [Span("  "), Span(f" {tr('only {pattern}', pattern=repr(self.only))} ", Tone.MATCH)]
        return spans

    def _match_words(self, matches: Matches) -> str:
        total = f"{len(matches.lines):,}{'' if matches.is_complete else '+'}"
        if not matches.lines:
            return f" {tr('no match for {pattern}', pattern=repr(matches.pattern))} "
        if self.current is None:
            return f" {tr('{count} matching lines', count=total)} "
        at = f"{bisect_left(matches.lines, self.current) + 1:,}"
        return f" {tr('match {at} of {count}', at=at, count=total)} "

    def _right(self) -> Line:
        words = []
        if not self.extent.is_complete:
            part = f"{self.extent.indexed_bytes / self.extent.size_bytes:.0%}"
            words.append(tr("indexing {part}", part=part))
        elif self.extent.lines:
            words.append(f"{_lines_words(self.extent.lines)} · {figures.size(self.extent.size_bytes)}")
        if self.wraps:
            words.append(tr("wrapped"))
        if self.source is not None:
            of_all = f" {tr('of {count}', count=self.consoles)}" if self.source.is_console and self.consoles > 1 else ""
            words.append(f"{self.source.label}{of_all}")
        return [Span(" · ".join(words), Tone.MUTED)]


def _lines_words(count: int) -> str:
    return tr("1 line") if count == 1 else tr("{count} lines", count=f"{count:,}")
