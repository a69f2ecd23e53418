"""Runs with a terminal of their own: always drained and logged, shown to their owner alone, survivors of every kill."""

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator

import msgspec
import pytest
from patience import until
from supervised_runs import Lab, Run, kill
from vlad.host import terminal_link as link
from vlad.host.processes import all_processes, environment_of, identity_of
from vlad.host.terminal_link import SIZE, Frame, frame
from vlad.records.files import RecordError
from vlad.records.outcome import ProcessIdentity
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import RestartPolicy
from vlad.supervise import detach, locks
from vlad.supervise.adopt import adopt_orphans

ECHOES = "while read line; do echo got:$line; done"


class Watcher:
    """One who is attached; `text` is what the terminal has shown."""

    def __init__(self, run: Run, kind: Frame = Frame.TYPE, rows: int = 30, columns: int = 90) -> None:
        self.connection = until(lambda: connected(run), run)
        self.connection.sendall(frame(kind, SIZE.pack(rows, columns)))
        self.connection.setblocking(False)
        self._shown = b""

    @property
    def text(self) -> str:
        try:
            while piece := self.connection.recv(1 << 16):
                self._shown += piece
        except BlockingIOError:
            pass
        return self._shown.decode(errors="replace")

    def type(self, keys: str) -> None:
        self.connection.sendall(frame(Frame.KEYS, keys.encode()))

    def until(self, words: str) -> None:
        until(lambda: words in self.text, (words, self))

    def __repr__(self) -> str:
        return self.text

    def has_ended(self) -> bool:
        try:
            return self.connection.recv(1 << 16) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def connected(run: Run) -> socket.socket | None:
    try:
        return link.connect(run.directory.terminal_socket)
    except OSError:
        return None


Start = Callable[..., Run]
Watch = Callable[..., Watcher]


@pytest.fixture
def start(lab: Lab) -> Start:
    def begin(*argv: str, restart: RestartPolicy | None = None) -> Run:
        run = lab.create(msgspec.structs.replace(lab.spec(*argv, restart=restart), has_terminal=True))
        detach.start(run.directory)
        return run

    return begin


@pytest.fixture
def watch() -> Iterator[Watch]:
    watchers: list[Watcher] = []

    def begin(run: Run, kind: Frame = Frame.TYPE, rows: int = 30, columns: int = 90) -> Watcher:
        watchers.append(Watcher(run, kind, rows, columns))
        return watchers[-1]

    yield begin
    for watcher in watchers:
        watcher.connection.close()


def holder(run: Run) -> ProcessIdentity:
    """The process that serves the terminal."""

    def found() -> ProcessIdentity | None:
        for pid, process in all_processes().items():
            is_one = process.name == "vlad-terminal" and not process.is_zombie
            if is_one and environment_of(pid).get(b"VLAD_SUPERVISES") == run.directory.run_id.encode():
                return identity_of(pid)
        return None

    return until(found, run)


def test_the_job_has_a_terminal_of_its_own_and_its_log_has_plain_line_ends(start: Start) -> None:
    run = start("sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo all three; stty size; exit 3")
    record = run.until_ended()
    lines = run.console().splitlines()
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:] == ["all three", "24 80"]
    assert "\r" not in run.console()
    assert record.attempts[0].exit is not None
    assert record.attempts[0].exit.code == 3


def test_what_is_typed_reaches_the_job_and_several_see_it(start: Start, watch: Watch) -> None:
    run = start("sh", "-c", ECHOES)
    typist, reader = watch(run), watch(run, Frame.WATCH)
    typist.type("one\r")
    typist.until("got:one")
    reader.until("got:one")
    reader.type("not heard\r")
    typist.type("two\r")
    reader.until("got:two")
    assert "not heard" not in reader.text
    typist.type("\x04")
    assert run.until_ended().state is State.SUCCEEDED
    until(typist.has_ended, "end of the view")
    assert run.console() == "one\ngot:one\ntwo\ngot:two\n"


def test_ctrl_c_interrupts_the_job(start: Start, watch: Watch) -> None:
    run = start(sys.executable, "-c", "import time\nprint('sleeps', flush=True)\ntime.sleep(600)")
    watcher = watch(run)
    watcher.until("sleeps")
    watcher.type("\x03")
    run.until_ended()
    assert "KeyboardInterrupt" in run.console()


def test_the_terminal_has_the_size_of_who_types_last(start: Start, watch: Watch) -> None:
    run = start("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do read line || :; stty size; done")
    typist = watch(run, Frame.TYPE, 30, 90)
    typist.until("ready")
    typist.type("\r")
    typist.until("30 90")
    watch(run, Frame.WATCH, 10, 20)
    typist.connection.sendall(frame(Frame.SIZE, SIZE.pack(41, 121)))
    typist.until("41 121")
    assert "10 20" not in typist.text
    run.ask(Action.STOP_NOW)
    run.until_ended()


def test_who_comes_later_is_shown_the_last_lines(start: Start, watch: Watch) -> None:
    run = start("sh", "-c", f"seq 100; printf '\\033[31mred\\033[0m\\033[6n\\n'; printf 'prompt> '; {ECHOES}")
    until(lambda: "prompt> " in run.console() if run.directory.attempt(1).console.exists() else False, run)
    late = watch(run, Frame.WATCH, rows=12)
    late.until("prompt> ")
    lines = late.text.split("\r\n")
    assert lines[-3:] == ["100", "\x1b[31mred\x1b[0m", "prompt> "]
    assert len(lines) == 11
    assert "\x1b[6n" not in late.text
    run.ask(Action.STOP_NOW)
    run.until_ended()


def test_a_flood_that_nobody_watches_blocks_nothing_and_loses_no_line(start: Start) -> None:
    run = start("sh", "-c", "seq 60000")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console() == "".join(f"{number}\n" for number in range(1, 60001))


def test_a_view_that_shows_nothing_does_not_hold_up_the_job(start: Start, watch: Watch) -> None:
    run = start("sh", "-c", "echo ready; read line; seq 60000")
    lazy = watch(run)
    lazy.until("ready")
    lazy.type("go\r")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console().endswith("\n60000\n")


@pytest.mark.parametrize("victim", ["supervisor", "keeper", "holder"])
def test_a_kill_of_any_one_process_leaves_the_terminal_alive(start: Start, watch: Watch, victim: str) -> None:
    run = start("sh", "-c", ECHOES)
    before = watch(run)
    before.type("one\r")
    before.until("got:one")
    keeper, supervisor = run.guard()
    kill({"supervisor": supervisor, "keeper": keeper, "holder": holder(run)}[victim])
    until(lambda: locks.is_locked(run.directory.terminal_lock), "a holder")
    after = watch(run)
    after.until("got:one")
    after.type("two\r")
    after.until("got:two")
    after.type("\x04")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console() == "one\ngot:one\ntwo\ngot:two\n"
    assert ("who served the terminal has died" in run.directory.supervisor_log.read_text()) is (victim == "holder")


def test_a_new_guard_gets_the_terminal_of_a_run_that_had_lost_both(lab: Lab, start: Start, watch: Watch) -> None:
    run = start("sh", "-c", ECHOES)
    watcher = watch(run)
    watcher.type("one\r")
    watcher.until("got:one")
    serving = holder(run)
    guards = run.guard()
    for guard in guards:
        os.kill(guard.pid, 19)
    for guard in guards:
        kill(guard)
    watcher.type("two\r")
    watcher.until("got:two")
    adopt_orphans(lab.home)
    run.guard()
    kill(serving)
    until(lambda: locks.is_locked(run.directory.terminal_lock), "a holder")
    after = watch(run)
    after.type("three\r")
    after.until("got:three")
    after.type("\x04")
    run.until_ended()
    assert run.console().endswith("three\ngot:three\n")


def test_the_next_attempt_has_the_same_terminal_and_a_log_of_its_own(start: Start, watch: Watch) -> None:
    script = "echo attempt $VLAD_ATTEMPT; read line; echo $line; exit 7"
    run = start("sh", "-c", script, restart=RestartPolicy(budget=1, backoff_s=0.05))
    watcher = watch(run)
    watcher.until("attempt 1")
    watcher.type("a\r")
    watcher.until("attempt 2")
    watcher.type("b\r")
    run.until_ended()
    assert run.console(1) == "attempt 1\na\na\n"
    assert run.console(2) == "attempt 2\nb\nb\n"


def test_a_rank_in_a_session_of_its_own_can_be_debugged(lab: Lab, start: Start, watch: Watch) -> None:
    program = lab.path / "rank.py"
    program.write_text("value = 6\nbreakpoint()\nprint('value', value, flush=True)\n")
    support = [word for word in lab.counting() if word.endswith("standin_torchrun.py")]
    run = start(sys.executable, *support, "1", str(program))
    watcher = watch(run)
    watcher.until("(Pdb) ")
    watcher.type("value = 7 * value\r")
    watcher.type("continue\r")
    run.until_ended()
    assert "value 42\n" in run.console()


def test_only_its_owner_may_attach(start: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start("sh", "-c", ECHOES)
    watch(run)
    path = run.directory.terminal_socket
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert link.is_ours(ours)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert not link.is_ours(ours)
        with pytest.raises(RecordError, match="served by another user"):
            link.connect(path)
    monkeypatch.undo()
    run.ask(Action.STOP_NOW)
    run.until_ended()


def test_what_is_no_frame_ends_the_view_and_nothing_else(start: Start, watch: Watch) -> None:
    run = start("sh", "-c", ECHOES)
    good, bad = watch(run), watch(run)
    for nonsense in (b"\xff\xff\xff\xff", frame(Frame.SIZE, b"1"), frame(Frame.TYPE, b"")):
        bad.connection.sendall(nonsense)
        until(bad.has_ended, nonsense)
        bad = watch(run)
    good.type("still\r")
    good.until("got:still")
    good.type("\x04")
    run.until_ended()


def test_after_the_end_nothing_of_the_terminal_is_left(start: Start) -> None:
    run = start("true")
    run.until_ended()
    until(lambda: not run.guards(), run)
    until(lambda: not run.directory.terminal_socket.exists(), run)
    until(lambda: not locks.is_locked(run.directory.terminal_lock), "the end of the terminal's holder")


def test_a_run_without_a_terminal_has_none(lab: Lab) -> None:
    run = lab.start("sh", "-c", "test -t 0 || echo none")
    run.until_ended()
    assert run.console() == "none\n"
    assert not run.directory.terminal_socket.exists()
    assert not run.directory.terminal_lock.exists()


def test_both_kills_at_once_are_survived_without_a_look(start: Start, watch: Watch) -> None:
    """Until somebody looks, the holder alone drains: the job is not held up."""
    run = start("sh", "-c", "echo ready; read line; seq 60000; sleep 600")
    watcher = watch(run)
    watcher.until("ready")
    until(lambda: holder(run), run)
    guards = run.guard()
    for guard in guards:
        os.kill(guard.pid, 19)
    for guard in guards:
        kill(guard)
    watcher.type("go\r")
    until(lambda: run.console().endswith("60000\n"), run)
