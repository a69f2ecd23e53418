"""A moment is found in a log of any size by reading little of it."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vlad.logs.content import LocalLog
from vlatui.log.file import LogFile
from vlatui.log.moments import stamp_in
from vlatui.log.seeking import Wanted, first_from, sought

START = 1_795_340_000


class CountingLog(LocalLog):
    """Counts the bytes that are read from it."""

    read_bytes = 0

    def pread(self, count: int, offset: int) -> bytes:
        content = super().pread(count, offset)
        self.read_bytes += len(content)
        return content


def stamped(at: float, words: str) -> str:
    return f"{datetime.fromtimestamp(at, UTC).isoformat(timespec='seconds')} {words}\n"


def opened(path: Path, text: str) -> LogFile:
    path.write_text(text)
    file = LogFile(path)
    file.look()
    file.index(1 << 40)
    return file


@pytest.mark.parametrize(
    ("moment", "line"), [(START, 0), (START + 100, 200), (START + 100.5, 202), (START - 99, 0), (START + 10**6, 1998)]
)
def test_the_first_line_from_a_moment_on_is_found(tmp_path: Path, moment: float, line: int) -> None:
    file = opened(tmp_path / "log", "".join(stamped(START + at, "INFO") + "  without a time\n" for at in range(1000)))
    found = sought(file, Wanted(moment))
    assert found is not None
    assert found.line == line


def test_lines_that_tell_no_time_are_compared_by_their_steps(tmp_path: Path) -> None:
    file = opened(tmp_path / "log", "loading\n" * 50 + "".join(f"step {step} loss 1\n" for step in range(0, 5000, 10)))
    found = sought(file, Wanted(START, step=2345))
    assert found is not None
    assert (found.line, found.step, found.moment) == (50 + 235, 2350, None)
    assert sought(file, Wanted(START)) is None


@pytest.mark.parametrize("text", ["", "words\n" * 20_000])
def test_a_log_that_tells_neither_has_no_place(tmp_path: Path, text: str) -> None:
    assert sought(opened(tmp_path / "log", text), Wanted(START, step=3)) is None


def test_a_large_log_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        for start in range(0, 600_000, 1000):
            file.write("".join(stamped(START + at, "a line of some length " * 3) for at in range(start, start + 1000)))
    content = CountingLog(path)
    log = LogFile(path, content)
    log.look()
    log.index(1 << 40)
    before = content.read_bytes
    found = sought(log, Wanted(START + 432_100))
    assert found is not None
    assert found.line == 432_100
    assert content.read_bytes - before < path.stat().st_size / 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=120), st.integers(-2, 33))
def test_it_is_what_reading_every_line_would_find(gaps: list[int | None], offset: int) -> None:
    """Each line has a time (so many seconds after the one before), or none."""
    at, text, times = START, "", []
    for number, gap in enumerate(gaps):
        at += gap or 0
        text += "no time here\n" if gap is None else stamped(at, "x")
        times += [] if gap is None else [(number, float(at))]
    wanted = START + offset * max(1, (at - START) // 30)
    with tempfile.TemporaryDirectory() as folder:
        found = first_from(opened(Path(folder) / "log", text), stamp_in, wanted)
    later = [time for time in times if time[1] >= wanted]
    assert found == (later[0] if later else times[-1] if times else None)
