"""The sparse index: any bytes, any growth, the same lines as splitting the whole file."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vlad.logs import content as logs
from vlad.records.terminal_text import MAX_LINE_BYTES
from vlatui.log import file as log_file
from vlatui.log.file import Change, LogFile, RawLine

SOUP = st.lists(
    st.one_of(
        st.binary(max_size=40), st.sampled_from([b"\n", b"\n\n", b"\r", b"\r\n", b"\x1b[31m", b"\xff\xfe", b"x" * 70])
    ),
    max_size=60,
).map(b"".join)


def expected_lines(content: bytes) -> list[bytes]:
    """What the lines of a file are: newline-ended, the last one also without."""
    lines = content.split(b"\n")
    return lines[:-1] if not lines[-1] else lines


def indexed(path: Path) -> LogFile:
    file = LogFile(path)
    file.look()
    file.index(1 << 40)
    return file


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every file has many."""
    monkeypatch.setattr(logs, "BLOCK_BYTES", 64)


@settings(max_examples=150, deadline=None)
@given(SOUP, st.data())
def test_any_bytes_give_the_lines_that_splitting_gives(content: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "BLOCK_BYTES", 64)
        path = Path(folder) / "log"
        path.write_bytes(content)
        file = indexed(path)
        lines = expected_lines(content)
        assert file.extent.lines == len(lines)
        first = data.draw(st.integers(0, len(lines) + 1))
        count = data.draw(st.integers(0, 12))
        assert file.read(first, count) == [RawLine(line) for line in lines[first : first + count]]
        file.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(SOUP, min_size=1, max_size=6), st.integers(1, 200))
def test_a_file_appended_while_read_gives_the_same_as_one_written_at_once(
    pieces: list[bytes], slice_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "BLOCK_BYTES", 64)
        path = Path(folder) / "log"
        path.touch()
        file = LogFile(path)
        written = b""
        for piece in pieces:
            with path.open("ab") as out:
                out.write(piece)
            written += piece
            change = file.look()
            assert change is not Change.RESTARTED
            while not file.extent.is_complete:
                file.index(slice_bytes)
            lines = expected_lines(written)
            assert file.extent.lines == len(lines)
            assert file.read(0, len(lines)) == [RawLine(line) for line in lines]
        file.close()


@settings(max_examples=60, deadline=None)
@given(SOUP)
def test_the_tail_is_found_without_the_index(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_file, "TAIL_BYTES", 100)
        path = Path(folder) / "log"
        path.write_bytes(content)
        file = LogFile(path)
        file.look()
        tail = [line.content for line in file.tail()]
        lines = expected_lines(content)
        if len(content) <= 100:
            assert tail == lines
        elif b"\n" in content[-100:-1]:
            assert tail == lines[len(lines) - len(tail) :]
        file.close()


def test_a_missing_file_is_empty_and_appears_when_it_is_written(tmp_path: Path) -> None:
    file = indexed(tmp_path / "log")
    assert file.extent.lines == 0
    (tmp_path / "log").write_bytes(b"one\ntwo")
    file.look()
    file.index(1 << 20)
    assert file.read(0, 9) == [RawLine(b"one"), RawLine(b"two")]


def test_a_file_that_shrank_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\n")
    file = indexed(path)
    path.write_bytes(b"new\n")
    assert file.look() is Change.RESTARTED
    file.index(1 << 20)
    assert file.read(0, 9) == [RawLine(b"new")]


def test_a_file_cut_and_written_longer_between_two_looks_betrays_itself(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    file = indexed(path)
    path.write_bytes(b"another beginning\nand more\n")
    assert file.look() is Change.RESTARTED
    file.index(1 << 20)
    assert file.read(1, 1) == [RawLine(b"and more")]


def test_a_rotated_file_is_read_from_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n")
    file = indexed(path)
    path.rename(tmp_path / "log.1")
    path.write_bytes(b"one\nfresh\n")
    assert file.look() is Change.RESTARTED
    file.index(1 << 20)
    assert file.read(1, 1) == [RawLine(b"fresh")]


def test_an_untouched_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\n")
    file = indexed(tmp_path / "log")
    assert file.look() is Change.SAME


def test_a_line_too_long_to_hold_shows_its_start_and_says_what_is_left_out(tmp_path: Path) -> None:
    long = b"a" * (5 * logs.BLOCK_BYTES)
    (tmp_path / "log").write_bytes(b"before\n" + long + b"\nafter\n")
    lines = indexed(tmp_path / "log").read(0, 3)
    assert [line.content[:8] for line in lines] == [b"before", b"a" * 8, b"after"]
    assert len(lines[1].content) == MAX_LINE_BYTES
    assert lines[1].left_out == len(long) - MAX_LINE_BYTES


def test_a_long_progress_bar_shows_its_last_state(tmp_path: Path) -> None:
    bar = b"".join(b"\r%3d%% |####|" % (step % 101) for step in range(80_000))
    (tmp_path / "log").write_bytes(b"start\n" + bar)
    line = indexed(tmp_path / "log").read(1, 1)[0]
    assert line.content.endswith(bar[-10:])
    assert len(line.content) <= MAX_LINE_BYTES


def test_a_file_shortened_after_the_look_gives_fewer_lines_and_no_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(1000)))
    file = indexed(path)
    os.truncate(path, 20)
    assert len(file.read(0, 1000)) <= 4
    assert file.read(900, 10) == []


def test_the_index_of_a_large_file_is_small(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a line of a log\n" * 1_000_000)
    file = indexed(path)
    assert file.extent.lines == 1_000_000
    assert len(file._newlines_before) * 8 < 1024
    assert file.read(999_999, 5) == [RawLine(b"a line of a log")]
