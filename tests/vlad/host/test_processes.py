"""Who is who among processes, and signals that reach no other."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE_S, until
from vlad.host import processes
from vlad.host.processes import ProcessStat, descendants, parse_stat, terminal_name
from vlad.records.outcome import ProcessIdentity


@contextmanager
def child(*argv: str, **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen(argv or ("sleep", "600"), **options)  # type: ignore[call-overload]
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def test_a_process_is_known_by_pid_start_and_boot() -> None:
    with child() as sleeper:
        identity = processes.identity_of(sleeper.pid)
        assert identity is not None
        assert processes.is_alive(identity)
        for forged in (
            msgspec.structs.replace(identity, start_ticks=identity.start_ticks + 1),
            msgspec.structs.replace(identity, boot_id="another"),
        ):
            assert processes.stat_of(forged) is None
            assert processes.open_process(forged) is None
            assert not processes.signal_process(forged, signal.SIGKILL)
        assert sleeper.poll() is None


def test_a_signal_reaches_the_process_that_is_meant() -> None:
    with child() as sleeper:
        identity = processes.identity_of(sleeper.pid)
        assert identity is not None
        assert processes.signal_process(identity, signal.SIGTERM)
        assert sleeper.wait(PATIENCE_S) == -signal.SIGTERM
        assert not processes.signal_process(identity, signal.SIGTERM)


def test_a_zombie_is_not_alive_and_tells_how_it_ended() -> None:
    with child("sh", "-c", "read line; exit 7", stdin=subprocess.PIPE) as script:
        identity = processes.identity_of(script.pid)
        assert identity is not None
        assert processes.zombie_status(identity) is None
        assert script.stdin is not None
        script.stdin.close()
        until(lambda: not processes.is_alive(identity), "end")
        assert processes.stat_of(identity) is not None
        assert os.waitstatus_to_exitcode(processes.zombie_status(identity) or 0) == 7
        script.wait()
        assert processes.stat_of(identity) is None
        assert processes.zombie_status(identity) is None


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**70])
def test_a_pid_that_nobody_has_is_nobody(pid: int) -> None:
    identity = ProcessIdentity(pid=pid, start_ticks=1, boot_id=processes.boot_id())
    assert processes.open_process(identity) is None
    assert not processes.signal_process(identity, signal.SIGKILL)


@given(st.binary(min_size=1, max_size=15).filter(lambda name: b"\0" not in name))
def test_a_name_with_spaces_and_parentheses_does_not_confuse(name: bytes) -> None:
    rest = b" S 41 42 43 34817 " + b" ".join(b"%d" % number for number in range(8, 53))
    stat = parse_stat(b"1234 (" + name + b")" + rest)
    assert (stat.pid, stat.parent, stat.session, stat.tty, stat.start_ticks, stat.exit_status) == (
        1234,
        41,
        43,
        34817,
        22,
        52,
    )


def test_the_environment_is_that_of_the_execution() -> None:
    with child(sys.executable, "-c", "import time; print(flush=True); time.sleep(600)", env={"TAG": "a=b"},
               stdout=subprocess.PIPE) as program:  # fmt: skip
        assert program.stdout is not None
        program.stdout.readline()
        assert processes.environment_of(program.pid) == {b"TAG": b"a=b"}
    assert processes.environment_of(program.pid) == {}


def test_the_standard_input_is_compared_by_file_not_by_name() -> None:
    with open(os.devnull) as null, child(stdin=null) as sleeper:  # noqa: PTH123 - a device
        found = os.fstat(null.fileno())
        assert processes.stdin_is(sleeper.pid, found.st_dev, found.st_ino)
        assert not processes.stdin_is(sleeper.pid, found.st_dev, found.st_ino + 1)


def stat(pid: int, parent: int) -> ProcessStat:
    return ProcessStat(
        pid=pid, name="x", state="S", parent=parent, session=1, tty=0, start_ticks=0, exit_status=0
    )  # fmt: skip


@given(st.lists(st.integers(0, 20), min_size=1, max_size=20))
def test_descendants_are_those_whose_line_of_parents_leads_to_a_root(parents: list[int]) -> None:
    """Also where the table was read while processes came and went, so that lines end nowhere or in a circle."""
    table = {pid: stat(pid, parent) for pid, parent in enumerate(parents, 1)}

    def leads_to_root(pid: int) -> bool:
        seen: set[int] = set()
        while pid in table and pid not in seen and pid != 1:
            seen.add(pid)
            pid = table[pid].parent
        return pid == 1

    assert descendants([1], table) == {pid for pid in table if leads_to_root(pid)}


def test_roots_that_are_gone_have_no_descendants() -> None:
    assert descendants([5], {6: stat(6, 5)}) == set()


@pytest.mark.parametrize(
    ("tty", "name"), [(0, None), (34819, "pts/3"), (1025, "tty1"), (os.makedev(137, 2), "pts/258")]
)
def test_terminals_have_the_names_that_ps_shows(tty: int, name: str | None) -> None:
    assert terminal_name(tty) == name


def test_this_process_is_in_the_table_with_its_parent_and_start() -> None:
    table = processes.all_processes()
    me = table[os.getpid()]
    assert me.parent == os.getppid()
    assert me.session == os.getsid(0)
    assert abs(processes.started_at(me) - processes.started_at(table[os.getppid()])) < 3600


def test_a_subreaper_reads_how_orphans_ended() -> None:
    processes.become_subreaper()
    try:
        with child("sh", "-c", "exec 3<&0; sh -c 'read line; exit 9' <&3 3<&- & echo $!", stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE) as parent:  # fmt: skip
            assert parent.stdout is not None
            assert parent.stdin is not None
            orphan = int(parent.stdout.readline())
            parent.wait()
            parent.stdin.close()
            assert os.waitstatus_to_exitcode(os.waitpid(orphan, 0)[1]) == 9
    finally:
        processes.become_subreaper(False)
