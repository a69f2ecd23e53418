"""Who is attached to the terminal of a run: what each sees and may do, and who is let in."""

import os
import socket
import stat

import pytest
from patience import until
from terminal_views import ECHOES, Start, Watch
from vlad.host import terminal_link as link
from vlad.host.terminal_link import SIZE, Frame, frame
from vlad.records.files import RecordError
from vlad.records.requests import Action
from vlad.records.run import State


def test_what_is_typed_reaches_the_job_and_several_see_it(with_terminal: Start, watch: Watch) -> None:
    run = with_terminal("sh", "-c", ECHOES)
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


def test_the_terminal_has_the_size_of_who_types_last(with_terminal: Start, watch: Watch) -> None:
    run = with_terminal("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do read line || :; stty size; done")
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


def test_who_comes_later_is_shown_the_last_lines(with_terminal: Start, watch: Watch) -> None:
    run = with_terminal("sh", "-c", f"seq 100; printf '\\033[31mred\\033[0m\\033[6n\\n'; printf 'prompt> '; {ECHOES}")
    until(lambda: "prompt> " in run.console() if run.directory.attempt(1).console.exists() else False, run)
    late = watch(run, Frame.WATCH, rows=12)
    late.until("prompt> ")
    lines = late.text.split("\r\n")
    assert lines[-3:] == ["100", "\x1b[31mred\x1b[0m", "prompt> "]
    assert len(lines) == 11
    assert "\x1b[6n" not in late.text
    run.ask(Action.STOP_NOW)
    run.until_ended()


def test_a_view_that_shows_nothing_does_not_hold_up_the_job(with_terminal: Start, watch: Watch) -> None:
    run = with_terminal("sh", "-c", "echo ready; read line; seq 60000")
    lazy = watch(run)
    lazy.until("ready")
    lazy.type("go\r")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console().endswith("\n60000\n")


def test_only_its_owner_may_attach(with_terminal: Start, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    run = with_terminal("sh", "-c", ECHOES)
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


def test_what_is_no_frame_ends_the_view_and_nothing_else(with_terminal: Start, watch: Watch) -> None:
    run = with_terminal("sh", "-c", ECHOES)
    good, bad = watch(run), watch(run)
    for nonsense in (b"\xff\xff\xff\xff", frame(Frame.SIZE, b"1"), frame(Frame.TYPE, b"")):
        bad.connection.sendall(nonsense)
        until(bad.has_ended, nonsense)
        bad = watch(run)
    good.type("still\r")
    good.until("got:still")
    good.type("\x04")
    run.until_ended()
