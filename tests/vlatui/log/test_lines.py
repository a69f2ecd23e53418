"""Lines ready to paint: nothing in them that a terminal obeys, cut and broken without losing a character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from vlatui.log.file import RawLine
from vlatui.log.lines import LineCache, ShownLine, broken, shown_line, styled

ESCAPES = {
    "title": b"\x1b]0;owned\x07after",
    "clipboard": b"\x1b]52;c;aGk=\x07after",
    "hyperlink": b"\x1b]8;;http://evil\x1b\\after\x1b]8;;\x1b\\",
    "clear": b"\x1b[2J\x1b[Hafter",
    "alternate screen": b"\x1b[?1049hafter",
    "device control": b"\x1bPq#0;2;0;0;0\x1b\\after",
    "answer back": b"\x1b[6nafter",
    "eight-bit control": b"\x9b31mafter",
    "bell": b"\x07after",
    "markup": b"[bold red]after[/]",
    "conceal": b"\x1b[8mafter",
    "direction": "\u202eafter".encode(),
}


@pytest.mark.parametrize("raw", ESCAPES.values(), ids=ESCAPES.keys())
def test_no_control_character_reaches_the_screen(raw: bytes) -> None:
    line = shown_line(RawLine(raw))
    assert all(character.isprintable() for character in line.text)
    assert "after" in line.text
    assert all(style.link is None and style.conceal is None for *_, style in line.styles)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_byte_soup_makes_a_control_character(raw: bytes) -> None:
    line = shown_line(RawLine(raw.replace(b"\n", b"")))
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line.text)


def test_colours_are_kept_as_styles() -> None:
    line = shown_line(RawLine(b"\x1b[31mred\x1b[0m plain"))
    assert line.text == "red plain"
    assert [(start, end, style.color.number) for start, end, style in line.styles if style.color] == [(0, 3, 1)]


def test_markup_is_text() -> None:
    assert shown_line(RawLine(b"[bold]x[/bold]")).text == "[bold]x[/bold]"


def test_what_is_left_out_is_said() -> None:
    assert shown_line(RawLine(b"abc", left_out=1234)).text == "abc … [1,234 bytes left out]"


@given(st.text(alphabet="ab 好é", max_size=60), st.integers(2, 20))
def test_a_broken_line_holds_every_character_and_no_row_is_too_wide(text: str, width: int) -> None:
    rows = broken([Segment(text[:7]), Segment(text[7:])], width)
    assert "".join(segment.text for row in rows for segment in row) == text
    assert all(sum(cell_len(segment.text) for segment in row) <= width for row in rows)


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5))
def test_styling_changes_no_text(text: str, ranges: list[tuple[int, int]]) -> None:
    styles = [(min(pair), max(pair), Style(bold=True)) for pair in ranges]
    assert "".join(segment.text for segment in styled(text, styles)) == text


def test_the_cache_stays_within_its_bound_and_drops_what_was_not_looked_at() -> None:
    cache = LineCache(most_characters=1000)
    for number in range(1000):
        cache.hold({number: ShownLine("x" * 100)})
        cache.get(0)
    assert len(cache) <= 257
    assert 0 in cache
    assert 999 in cache
    assert 500 not in cache
