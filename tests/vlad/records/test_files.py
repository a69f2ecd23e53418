"""Files that survive crashes: replaced as a whole, journals that a torn line does not spoil."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.records.files import (
    JournalWriter,
    RecordError,
    append_line,
    last_lines,
    private_folder,
    read_lines,
    replace_file,
    set_aside,
)
from vlad.records.requests import Action, pending_requests, send_request
from vlad.records.rundir import Home


def test_a_replaced_file_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    replace_file(path, b"old")
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _no_space(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_is_never_written_through_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        JournalWriter(tmp_path / "events.jsonl")
    assert (tmp_path / "victim").read_bytes() == b"precious"


@given(torn=st.binary(max_size=30).filter(lambda line: b"\n" not in line))
def test_a_torn_last_line_spoils_nothing_after_it(tmp_path_factory: pytest.TempPathFactory, torn: bytes) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    path.write_bytes(b"first\n" + torn)
    journal = JournalWriter(path)
    journal.append(b"next", durable=True)
    journal.close()
    found, end = read_lines(path)
    assert (found[0], found[-1]) == (b"first", b"next")
    assert end == path.stat().st_size


@given(
    lines=st.lists(st.binary(min_size=1, max_size=40).map(lambda line: line.replace(b"\n", b"-")), max_size=20),
    torn=st.binary(max_size=10).map(lambda line: line.replace(b"\n", b"-")),
    limit=st.integers(1, 60),
)
def test_reading_in_pieces_reads_every_whole_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes, limit: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "progress.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    read: list[bytes] = []
    offset = 0
    while True:
        piece, offset = read_lines(path, offset, limit)
        if not piece:
            break
        read += piece
    assert read == lines
    assert offset == sum(len(line) + 1 for line in lines)


def test_a_missing_journal_is_empty_and_a_shorter_one_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert read_lines(path, 100) == ([], 0)
    path.write_bytes(b"one\n")
    assert read_lines(path, 100) == ([b"one"], 4)


def test_files_set_aside_are_all_kept(tmp_path: Path) -> None:
    for content in (b"a", b"b"):
        (tmp_path / "state.json").write_bytes(content)
        set_aside(tmp_path / "state.json")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"a", b"b"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(RecordError, match="VLAD_HOME"):
        private_folder(tmp_path / "home")


@pytest.mark.parametrize("other", ["datasets", "runs"])
def test_a_folder_of_other_things_is_not_closed_to_others(tmp_path: Path, other: str) -> None:
    (tmp_path / "data" / other).mkdir(parents=True)
    (tmp_path / "data").chmod(0o755)
    with pytest.raises(RecordError, match="data/vlad"):
        Home(tmp_path / "data").prepare()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o755
    assert [path.name for path in (tmp_path / "data").iterdir()] == [other]


def test_an_empty_folder_and_a_home_are_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    for _ in range(2):
        (tmp_path / "home").chmod(0o755)
        assert Home(tmp_path / "home").prepare().live.is_dir()
        assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_requests_come_oldest_first_and_what_is_none_is_left_alone(tmp_path: Path) -> None:
    sent = [send_request(tmp_path / "requests", action, "me") for action in (Action.SAVE, Action.STOP)]
    (tmp_path / "requests" / "torn.json").write_bytes(b'{"id"')
    (tmp_path / "requests" / "note.txt").write_bytes(b"x")
    assert [request for _, request in pending_requests(tmp_path / "requests")] == sent
    assert pending_requests(tmp_path / "nowhere") == []


@pytest.mark.parametrize("piece_bytes", [1, 3, 7, 4096])
@pytest.mark.parametrize("content", [b"", b"one\n", b"one\ntwo\nthree\n", b"one\n\ntwo\ntor", b"\n\n"])
def test_lines_come_last_first_whatever_is_read_at_once(tmp_path: Path, content: bytes, piece_bytes: int) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    assert list(last_lines(path, piece_bytes)) == [line for line in content.decode().split("\n") if line][::-1]


def test_a_missing_list_has_no_lines(tmp_path: Path) -> None:
    assert list(last_lines(tmp_path / "none")) == []


def test_no_line_is_appended_through_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "list").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic"):
        append_line(tmp_path / "list", "x")
    assert not (tmp_path / "other").exists()
