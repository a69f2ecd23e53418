"""A log behind a connection: the same lines as a file of this host, whatever it holds and however it changes."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from vlad.logs.content import LocalLog
from vlad.remote.protocol import Ask, CountLines, LinesCounted, LogLooked, LogName, LogRead, LookAtLog, ReadLog, Reply
from vlatui.log.file import Change, LogFile
from vlatui.sites.connection import Unreachable
from vlatui.sites.remote_log import RemoteLog

SOUP = st.lists(st.sampled_from([b"\n", b"one", b"x" * 70, b"\r", b"\xff", b"two\n"]), max_size=60).map(b"".join)


class OtherHost:
    """Answers for one file as `vlad serve` does; counts what is asked."""

    def __init__(self, path: Path) -> None:
        self.log = LocalLog(path)
        self.read_bytes = 0
        self.is_down = False

    def ask(self, ask: Ask) -> Reply:
        if self.is_down:
            raise Unreachable("gpubox: gone")
        match ask:
            case LookAtLog():
                look = self.log.look()
                inode = look.identity[1] if look.identity else None
                return LogLooked(inode=inode, size_bytes=look.size_bytes, start=self.log.pread(512, 0))
            case ReadLog():
                self.read_bytes += ask.count
                return LogRead(content=self.log.pread(ask.count, ask.offset))
            case CountLines():
                counted = self.log.count_lines(ask.offset, ask.end)
                return LinesCounted(
                    newlines=counted.newlines, read_bytes=counted.read_bytes, ends_open=counted.ends_open
                )
            case _:
                raise AssertionError(ask)


def remote(host: OtherHost, path: Path) -> LogFile:
    return LogFile(path, RemoteLog(LogName(run_id="", name=str(path)), host.ask))


def lines_of(file: LogFile) -> list[bytes]:
    file.index(1 << 40)
    return [line.content for line in file.read(0, file.extent.lines)]


@settings(max_examples=60, deadline=None)
@given(SOUP, SOUP)
def test_the_lines_are_those_of_a_file_here_also_after_it_grew(first: bytes, more: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(first)
        there, here = remote(OtherHost(path), path), LogFile(path)
        for content in (first, first + more):
            path.write_bytes(content)
            there.look()
            here.look()
            assert lines_of(there) == lines_of(here)


def test_of_a_large_log_only_what_is_looked_at_travels(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789abcde\n" * 1_000_000)
    host = OtherHost(path)
    file = remote(host, path)
    file.look()
    file.index(1 << 40)
    assert file.extent.lines == 1_000_000
    assert [line.content for line in file.read(500_000, 3)] == [b"0123456789abcde"] * 3
    assert host.read_bytes < 2_000_000


def test_one_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n" * 10)
    file = remote(OtherHost(path), path)
    file.look()
    assert lines_of(file)[0] == b"old"
    path.write_bytes(b"new\n" * 20)
    assert file.look() is Change.RESTARTED
    assert lines_of(file) == [b"new"] * 20


def test_what_was_seen_stays_while_the_host_is_not_reached(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"seen\n" * 10)
    host = OtherHost(path)
    file = remote(host, path)
    file.look()
    assert lines_of(file) == [b"seen"] * 10
    host.is_down = True
    assert file.look() is Change.SAME
    assert lines_of(file) == [b"seen"] * 10
