"""A run's folder: a damaged state.json is set aside and rebuilt, never reset; ids and names are never paths."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from supervised_runs import Lab, Run
from vlad.records.files import JournalWriter, RecordError
from vlad.records.history import RUN_ID, new_run_id
from vlad.records.run import Moved, State, fold_all
from vlad.records.rundir import Home, RunDirectory


@pytest.fixture
def run(lab: Lab) -> Run:
    """A run that has not been started, with two moves in its journal."""
    created = lab.create(lab.spec("true"))
    journal = JournalWriter(created.directory.events)
    for seq, state in ((2, State.STARTING), (3, State.RUNNING)):
        journal.append(msgspec.json.encode(Moved(seq=seq, at=float(seq), state=state)), durable=False)
    journal.close()
    created.directory.repaired_record()
    return created


def aside_of(run: RunDirectory) -> list[Path]:
    return sorted(run.path.glob("state.json.unreadable-*"))


def check_rebuilt(run: RunDirectory, damaged: bytes, good: bytes) -> None:
    """Reading changes nothing; the writer sets the damaged file aside as it is, and writes the state anew."""
    whole = fold_all(run.events.read_bytes().split(b"\n"))
    run.state.write_bytes(damaged)
    assert run.read_record() == whole
    assert run.state.read_bytes() == damaged
    assert run.repaired_record() == whole
    assert run.state.read_bytes() == good
    assert [path.read_bytes() for path in aside_of(run)] == [damaged]


def test_state_json_truncated_at_every_byte_is_set_aside_and_rebuilt(run: Run) -> None:
    good = run.directory.state.read_bytes()
    for size in range(len(good)):
        check_rebuilt(run.directory, good[:size], good)
        for path in aside_of(run.directory):
            path.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda good: bytes(len(good)), id="zeros"),
        pytest.param(lambda good: good[:40] + bytes(len(good) - 40), id="zeros from a block on"),
        pytest.param(lambda good: b"null", id="null"),
        pytest.param(lambda good: b"[]", id="another document"),
        pytest.param(lambda good: good.replace(b"RUNNING", b"JOGGING"), id="a state that there is not"),
        pytest.param(lambda good: good.replace(b'"schema":1', b'"schema":99'), id="a newer schema"),
        pytest.param(lambda good: good.replace(b"-test-", b"-rest-"), id="another run's"),
        pytest.param(lambda good: b"\xff" * 10, id="no text"),
    ],
)  # fmt: skip
def test_a_damaged_state_json_is_set_aside_and_rebuilt(run: Run, damage: Callable[[bytes], bytes]) -> None:
    good = run.directory.state.read_bytes()
    damaged = damage(good)
    assert damaged != good
    check_rebuilt(run.directory, damaged, good)


def test_a_missing_state_json_is_rebuilt(run: Run) -> None:
    good = run.directory.state.read_bytes()
    run.directory.state.unlink()
    run.directory.repaired_record()
    assert run.directory.state.read_bytes() == good


def test_an_outdated_state_json_is_brought_up_to_the_journal(run: Run) -> None:
    journal = JournalWriter(run.directory.events)
    journal.append(msgspec.json.encode(Moved(seq=4, at=4.0, state=State.SUCCEEDED)), durable=False)
    assert run.directory.repaired_record().state is State.SUCCEEDED
    assert run.directory.read_record().state is State.SUCCEEDED


def test_a_state_json_that_knows_more_than_a_damaged_journal_is_kept(run: Run) -> None:
    content = run.directory.events.read_bytes()
    run.directory.events.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
    assert run.directory.repaired_record().state is State.RUNNING
    assert not aside_of(run.directory)


def test_without_state_and_journal_nothing_is_made_up(run: Run) -> None:
    run.directory.state.write_bytes(b"")
    run.directory.events.write_bytes(b"")
    with pytest.raises(RecordError, match="neither"):
        run.directory.repaired_record()
    assert run.directory.state.read_bytes() == b""


@pytest.mark.parametrize("name", ["", " ", "-rf", ".hidden", "a/b", "..", "a b", "x" * 65, "ä", "a\n"])
def test_a_name_that_could_be_something_else_is_refused(name: str) -> None:
    with pytest.raises(RecordError, match="not allowed"):
        new_run_id(name, 0.0)


def test_run_ids_sort_by_time_and_hold_their_name() -> None:
    first, second = new_run_id("demo", 1_000_000.0), new_run_id("demo", 2_000_000.0)
    assert first < second
    assert RUN_ID.fullmatch(first)
    assert "-demo-" in first


@pytest.mark.parametrize("wanted", ["../../etc", "/etc/passwd", "20261122-0931-demo-7f3a/../x", ""])
def test_what_is_no_run_id_is_never_a_path(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(RecordError, match="is no run id"):
        Home(tmp_path).run(wanted)


def test_a_home_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="symlink"):
        Home(tmp_path / "home").prepare()


def test_a_loose_home_of_ours_is_tightened(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o777)
    Home(tmp_path / "home").prepare()
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_every_file_of_a_run_is_private(run: Run) -> None:
    for path in run.directory.path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_finding_a_run_by_id_part_name_or_last(lab: Lab) -> None:
    one, two = lab.create(lab.spec("true")), lab.create(lab.spec("true"))
    assert lab.home.find(one.directory.run_id) == one.directory
    assert lab.home.find(two.directory.run_id[-4:]) == two.directory
    assert lab.home.find("last").run_id == lab.home.find("test").run_id == two.directory.run_id
    with pytest.raises(RecordError, match="fits 2 runs"):
        lab.home.find("tes")
    with pytest.raises(RecordError, match="no run fits"):
        lab.home.find("nothing-like-it")


# the runs that ended last


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").prepare()


def ended_runs(home: Home, count: int) -> list[str]:
    ids = [f"20261122-09{number:02d}-run-{number:04x}" for number in range(count)]
    for run_id in ids:
        home.run(run_id).path.mkdir(parents=True)
    return ids


def test_the_runs_that_ended_last_are_told_without_looking_at_the_others(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ended_runs(home, 6)
    for run_id in (*ids, ids[2]):  # the last one was resumed, and ended again
        home.mark_ended(run_id)
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail(f"{path} is looked through"))
    assert home.newest_ended_ids(3) == [ids[5], ids[4], ids[2]]


def test_runs_that_are_live_again_or_gone_are_not_among_the_ended(home: Home) -> None:
    ids = ended_runs(home, 5)
    for run_id in ids:
        home.mark_ended(run_id)
    home.live.mkdir(exist_ok=True)
    home.mark_live(ids[4])
    home.run(ids[3]).path.rmdir()
    assert home.newest_ended_ids(2) == [ids[2], ids[1]]


def test_a_home_without_the_list_of_ends_is_looked_through(home: Home) -> None:
    ids = ended_runs(home, 4)
    home.mark_ended(ids[0])
    assert home.newest_ended_ids(3) == [ids[3], ids[2], ids[1]]


def test_a_list_of_ends_that_cannot_be_written_keeps_no_run_alive(home: Home) -> None:
    (run_id,) = ended_runs(home, 1)
    home.live.mkdir(exist_ok=True)
    home.mark_live(run_id)
    home.ended.mkdir()
    home.mark_ended(run_id)
    assert home.live_ids() == []
    assert home.newest_ended_ids(1) == [run_id]
