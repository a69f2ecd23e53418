"""Search: the same lines as looking at each one, whatever the file holds."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vlad.logs import search as module
from vlad.logs.search import compiled, search
from vlad.records.terminal_text import clean_line, without_colour


def lines_by_hand(content: bytes, pattern: str) -> list[int]:
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    shown = [without_colour(clean_line(line)) for line in lines]
    return [number for number, line in enumerate(shown) if compiled(pattern).search(line)]


WORDS = st.lists(
    st.sampled_from(
        [b"loss ", b"step 1", b"\n", b"\n", b"\r\n", b"Error", b"\x1b[31m", b"\x1b[0m", b"x" * 30, b"a\rb"]
    ),
    max_size=80,
).map(b"".join)


@settings(max_examples=120, deadline=None)
@example(b"\n\x1b[31m", "^$")
@given(
    WORDS,
    st.sampled_from(
        ["loss", "Error", "step [0-9]", "x{5}", "^b$", "nothing", "loss[^0]", r"\s$", "^$", r"(x)\1", "1(?!x)"]
    ),
)
def test_a_search_finds_the_lines_that_show_a_match(content: bytes, pattern: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_BYTES", 64)
        path = Path(folder) / "log"
        path.write_bytes(content)
        assert list(search(path, pattern).lines) == lines_by_hand(content, pattern)


def test_case_counts_only_when_the_pattern_has_a_capital(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"Loss\nloss\n")
    assert list(search(tmp_path / "log", "loss").lines) == [0, 1]
    assert list(search(tmp_path / "log", "Loss").lines) == [0]


def test_a_match_split_by_colour_is_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"out of \x1b[1mmem\x1b[0mory\n")
    assert list(search(tmp_path / "log", "out of memory").lines) == [0]


def test_a_bad_pattern_is_refused_in_words() -> None:
    with pytest.raises(re.error, match="unterminated"):
        compiled("[")


def test_a_search_that_is_cancelled_says_that_it_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"loss\n" * 100)
    assert search(tmp_path / "log", "loss", lambda: True).is_complete is False


def test_a_search_stops_at_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MATCHES", 10)
    monkeypatch.setattr(module, "PIECE_BYTES", 64)
    (tmp_path / "log").write_bytes(b"loss\n" * 100_000)
    matches = search(tmp_path / "log", "loss")
    assert not matches.is_complete
    assert 10 <= len(matches.lines) < 100


def test_a_line_longer_than_every_chunk_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 64)
    (tmp_path / "log").write_bytes(b"first\n" + b"x" * 5000 + b"needle\nlast needle\n")
    assert list(search(tmp_path / "log", "needle").lines) == [1, 2]
