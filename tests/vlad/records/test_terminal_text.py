"""Log text is safe to print: a corpus of hostile and of honest lines."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.records.terminal_text import MAX_LINE_BYTES, clean_line, without_colour

CORPUS = {
    "plain": (b"step 3 loss 0.5", "step 3 loss 0.5"),
    "empty": (b"", ""),
    "unicode": ("Grüße ▁▂▃ 成功".encode(), "Grüße ▁▂▃ 成功"),
    "colour is kept and reset": (b"\x1b[31mred", "\x1b[31mred\x1b[0m"),
    "colour that resets itself": (b"\x1b[1;32mok\x1b[0m", "\x1b[1;32mok\x1b[0m"),
    "256 colours, index 8 is no conceal": (b"\x1b[38;5;8mgrey\x1b[0m", "\x1b[38;5;8mgrey\x1b[0m"),
    "true colour": (b"\x1b[48;2;8;8;8mx\x1b[0m", "\x1b[48;2;8;8;8mx\x1b[0m"),
    "concealed text is shown": (b"\x1b[8mhidden\x1b[0m", "\x1b[0mhidden\x1b[0m"),
    "conceal among others": (b"\x1b[1;08;31mhidden\x1b[0m", "\x1b[1;31mhidden\x1b[0m"),
    "clear screen": (b"a\x1b[2J\x1b[Hb", "ab"),
    "cursor up and erase": (b"\x1b[1A\x1b[2Kforged", "forged"),
    "private mode": (b"\x1b[?1049hx\x1b[?25l", "x"),
    "xterm's modifyOtherKeys ends in m but is no colour": (b"\x1b[>4;2mx", "x"),
    "window title": (b"\x1b]0;owned\x07x", "x"),
    "hyperlink": (b"\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"),
    "clipboard write": (b"\x1b]52;c;cm0gLXJmIC8=\x07x", "x"),
    "device control string": (b'\x1bP$q"p\x1b\\x', "x"),
    "unterminated title shows its text": (b"\x1b]0;rest of line", "0;rest of line"),
    "unterminated CSI": (b"x\x1b[12", "x"),
    "lone escape": (b"x\x1b", "x"),
    "reset terminal": (b"\x1bcx", "x"),
    "character set": (b"\x1b(0x", "x"),
    "eight-bit CSI": ("\x9b2Jx".encode(), "<U+009B>2Jx"),
    "bell and backspace are visible": (b"a\x07b\x08c", "a␇b␈c"),
    "nul and delete": (b"a\x00b\x7f", "a␀b␡"),
    "text direction": ("a\u202eb".encode(), "a<U+202E>b"),
    "line separator": ("a\u2028b".encode(), "a<U+2028>b"),
    "invalid UTF-8": (b"a\xff\xfeb", "a��b"),
    "tab": (b"a\tb", "a       b"),
    "progress bar": (b"\r 10%\r 20%\r 30%", " 30%"),
    "carriage return at the end": (b"done\r", "done"),
    "cleared progress bar": (b"\r 90%\r      \r", " 90%"),
    "only carriage returns": (b"\r\r\r", ""),
    "markup is text": (b"[bold red]x[/]", "[bold red]x[/]"),
}


@pytest.mark.parametrize(("raw", "shown"), CORPUS.values(), ids=CORPUS.keys())
def test_a_line_is_shown_safely(raw: bytes, shown: str) -> None:
    assert clean_line(raw) == shown


def test_a_huge_line_is_capped_with_a_mark() -> None:
    shown = clean_line(b"x" * (MAX_LINE_BYTES + 7))
    assert shown == "x" * MAX_LINE_BYTES + "… [7 bytes left out]"


def test_the_cap_counts_after_the_last_overwrite() -> None:
    assert clean_line(b"y" * (2 * MAX_LINE_BYTES) + b"\rshort") == "short"


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(["\x1b", "[", "]", "8", "m", ";", "\\", "\x07", "a", "\x9b"]))
    .map("".join)
    .map(str.encode)
)
def test_nothing_but_colour_ever_survives(raw: bytes) -> None:
    rest = without_colour(clean_line(raw.replace(b"\n", b"")))
    assert not re.search("[\x00-\x1f\x7f-\x9f]", rest)
