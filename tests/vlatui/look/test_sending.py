"""What is sent to the terminal: no more than the cells that changed, and whatever happened, the right ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from terminal_cells import TerminalCells, old_width, usual_width
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip
from vlatui.look.sending import CellsUpdate, SentCells, changed_cells, is_certain

WIDTH, HEIGHT = 24, 3
RED, BOLD = Style(color="red"), Style(bold=True)
CONSOLE = Console(force_terminal=True, color_system="truecolor", width=WIDTH)
assert CONSOLE._color_system is ColorSystem.TRUECOLOR


def line_of(*parts: tuple[str, Style | None] | str, width: int = WIDTH) -> Strip:
    segments = [Segment(part) if isinstance(part, str) else Segment(*part) for part in parts]
    return Strip(segments).adjust_cell_length(width, Style.null())


@dataclass
class Screen:
    """What is painted: each line as strips between its cuts."""

    lines: list[dict[int, Strip]] = field(default_factory=list)

    def ends(self) -> list[list[int]]:
        return [[*list(line)[1:], WIDTH] for line in self.lines]

    def whole(self) -> LayoutUpdate:
        return LayoutUpdate([list(line.values()) for line in self.lines], Region(0, 0, WIDTH, HEIGHT))

    def part(self, *spans: tuple[int, int, int]) -> ChopsUpdate:
        return ChopsUpdate(self.lines, list(spans), self.ends())


def written(sent: SentCells, update: LayoutUpdate | ChopsUpdate) -> str:
    found = sent.update_of(update)
    assert isinstance(found, CellsUpdate)
    return found.render_segments(CONSOLE)


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        (["step 123 of 900"], ["step 124 of 900"], [(7, 8)]),
        (["step 199 of 900"], ["step 200 of 900"], [(5, 8)]),
        (["same"], ["same"], []),
        (["same"], ["sa", "me"], []),
        (["red"], ["r", ("ed", RED)], [(1, 3)]),
        (["1 far from each 1"], ["2 far from each 2"], [(0, 1), (16, 17)]),
        (["1 near 1"], ["2 near 2"], [(0, 8)]),
        (["long"], ["lo"], [(2, 4)]),
        (["训练 a"], ["训诫 a"], [(2, 4)]),
        (["训 a"], ["ab a"], [(0, 2)]),
        (["a训训b"], ["训训ab"], [(0, 5)]),
    ],
)
def test_only_the_cells_that_differ_are_named(
    before: list[tuple[str, Style | None] | str],
    after: list[tuple[str, Style | None] | str],
    parts: list[tuple[int, int]],
) -> None:
    assert changed_cells(line_of(*before), line_of(*after)) == parts


def test_a_change_is_sent_alone_and_the_same_is_not_sent() -> None:
    sent = SentCells()
    old, new = (Screen([{0: line_of(text)}] * HEIGHT) for text in ("step 1 loss 2", "step 1 loss 3"))
    assert written(sent, old.whole()).count("step") == HEIGHT
    assert written(sent, new.part((1, 0, WIDTH))) == "\x1b[2;13H3"
    assert written(sent, new.part((1, 0, WIDTH))) == ""
    assert "step 1 loss 3" in written(sent, new.whole()), "a painting of the whole screen is never made smaller"


def test_what_was_forgotten_is_sent_whole() -> None:
    sent, screen = SentCells(), Screen([{0: line_of("all of it")}] * HEIGHT)
    written(sent, screen.whole())
    sent.forget()
    assert "all of it" in written(sent, screen.part((0, 0, 3)))
    assert sent.update_of("something else") == "something else"
    assert "all of it" in written(sent, screen.part((0, 0, 3)))


@pytest.mark.parametrize("text", ["e\u0301", "\U0001f680", "\u2705", "1\ufe0f\u20e3", "שלום", "\u200d", "\ue000"])
def test_a_line_whose_width_terminals_disagree_on_is_sent_as_textual_sends_it(text: str) -> None:
    sent = SentCells()
    screen = Screen([{0: line_of(f"{text} 1")}] * HEIGHT)
    assert not is_certain(screen.lines[0][0])
    written(sent, screen.whole())
    changed = Screen([{0: line_of(f"{text} 2")}] * HEIGHT)
    update = changed.part((0, 0, WIDTH))
    assert written(sent, update) == update.render_segments(CONSOLE)
    plain = Screen([{0: line_of("plain")}] * HEIGHT)
    assert "plain" + " " * (WIDTH - 5) in written(sent, plain.part((0, 0, WIDTH))), "what was shifted is painted over"


def test_what_the_dashboard_draws_is_certain() -> None:
    assert is_certain(line_of("▌•●■❚✗✓◆▸·…│┊╵╷┤└─▁█⠿⣿↑→ 训练评估。ﬁ é ß"))


# any history

TEXTS = st.text(st.sampled_from("ab  1训练▁│é") | st.sampled_from("ab"), max_size=14)
ODD_TEXTS = st.text(st.sampled_from("ab训\u0301\U0001f680✅"), max_size=14)
STYLES = st.sampled_from([None, RED, BOLD])
CUTS = st.sampled_from([(0,), (0, 9), (0, 9, 17), (0, 12)])


def chops(texts: st.SearchStrategy[str], cuts: Sequence[int]) -> st.SearchStrategy[dict[int, Strip]]:
    """One line, cut there."""
    widths = {start: end - start for start, end in pairwise((*cuts, WIDTH))}
    part = st.lists(st.tuples(texts, STYLES), max_size=3)
    return st.tuples(*(part for _ in widths)).map(
        lambda parts: {
            start: line_of(*parts[number], width=width) for number, (start, width) in enumerate(widths.items())
        }
    )


def screens(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Screen]:
    return st.lists(CUTS.flatmap(lambda cuts: chops(texts, cuts)), min_size=HEIGHT, max_size=HEIGHT).map(Screen)


SPANS = st.lists(
    st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, WIDTH)).filter(
        lambda span: span[1] < span[2]
    ),
    min_size=1,
    max_size=5,
)
"""Which regions widgets ask to have painted again."""


def painted_in_parts(before: Screen, after: Screen, spans: Sequence[tuple[int, int, int]]) -> Screen:
    """`before`, but where the spans touch a part of a line (with cuts elsewhere: the whole line) it is as `after`."""
    lines = [dict(line) for line in before.lines]
    for y, start, end in spans:
        if lines[y].keys() != after.lines[y].keys():
            lines[y] = dict(after.lines[y])
        for (x, strip), stop in zip(after.lines[y].items(), after.ends()[y], strict=True):
            if x < end and start < stop:
                lines[y][x] = strip
    return Screen(lines)


def whole_where_cuts_moved(
    before: Screen, after: Screen, spans: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    """Textual paints every widget that got another place."""
    moved = [y for y in range(HEIGHT) if before.lines[y].keys() != after.lines[y].keys()]
    return [*spans, *((y, 0, WIDTH) for y in moved)]


@settings(max_examples=80, deadline=None)
@given(screens(TEXTS), st.lists(st.tuples(screens(TEXTS), SPANS, st.sampled_from("pppppwf")), max_size=8))
def test_after_any_updates_the_terminal_shows_what_a_whole_painting_would(
    first: Screen, updates: list[tuple[Screen, list[tuple[int, int, int]], str]]
) -> None:
    sent, terminal, now = SentCells(), TerminalCells(WIDTH, HEIGHT), first
    terminal.write(written(sent, now.whole()))
    for following, asked, kind in updates:
        spans = whole_where_cuts_moved(now, following, asked)
        now = painted_in_parts(now, following, spans)
        if kind == "f":
            sent.forget()
        terminal.write(written(sent, now.whole() if kind == "w" else now.part(*spans)))
        fresh = TerminalCells(WIDTH, HEIGHT)
        fresh.write(now.whole().render_segments(CONSOLE))
        assert terminal.cells == fresh.cells


@settings(max_examples=80, deadline=None)
@pytest.mark.parametrize("width_of", [usual_width, old_width])
@given(data=st.data())
def test_characters_of_disputed_width_are_shown_no_worse_than_textual_shows_them(
    width_of: Callable[[str], int], data: st.DataObject
) -> None:
    sent, ours, textuals = SentCells(), TerminalCells(WIDTH, HEIGHT, width_of), TerminalCells(WIDTH, HEIGHT, width_of)
    for number in range(data.draw(st.integers(1, 8))):
        screen = Screen(
            [data.draw(chops(data.draw(st.sampled_from([TEXTS, ODD_TEXTS])), (0, 9))) for _ in range(HEIGHT)]
        )
        spans = [(y, 0, WIDTH) for y in range(HEIGHT)]
        update = screen.part(*spans) if number else screen.whole()
        ours.write(written(sent, update))
        textuals.write(update.render_segments(CONSOLE))
        assert ours.cells == textuals.cells


def test_a_random_history_sends_far_less_than_whole_lines() -> None:
    sent, ours, textuals = SentCells(), TerminalCells(WIDTH, HEIGHT), TerminalCells(WIDTH, HEIGHT)
    for step in range(100):
        screen = Screen([{0: line_of(f"step {step:5} loss 0.{step % 7}")}] * HEIGHT)
        update = screen.part((0, 0, WIDTH)) if step else screen.whole()
        ours.write(written(sent, update))
        textuals.write(update.render_segments(CONSOLE))
    assert ours.cells == textuals.cells
    assert ours.written < textuals.written / 3


def test_cells_are_counted_as_textual_counts_them() -> None:
    assert all(cell_len(character) == usual_width(character) for character in "ab 训练▁│é█⠿")
