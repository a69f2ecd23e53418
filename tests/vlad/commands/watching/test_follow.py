"""Logs: their end, as they grow, across attempts, and what a terminal gets of them."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from command_line import Story, Vlad
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE_S, until, until_ended
from supervised_runs import Lab
from vlad.commands.output import ERASE_LINE, RawOutput, TerminalOutput
from vlad.commands.watching.follow import LogFollower, follow_run, tail_offset
from vlad.records.run import RunRecord, State

VLAD = (sys.executable, "-c", "from vlad.cli import main; main()")


@given(lines=st.lists(st.sampled_from([b"", b"a", b"bb" * 40_000])), wanted=st.integers(0, 6), is_whole=st.booleans())
def test_the_tail_is_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], wanted: int, is_whole: bool
) -> None:
    content = b"".join(line + b"\n" for line in lines) + (b"" if is_whole else b"unfinished")
    path = tmp_path_factory.mktemp("log") / "console.log"
    path.write_bytes(content)
    expected = content.split(b"\n")[:-1] if is_whole else content.split(b"\n")
    tail = expected[len(expected) - min(wanted, len(expected)) :]
    assert content[tail_offset(path, wanted) :].split(b"\n")[: len(tail)] == tail
    assert content[tail_offset(path, wanted) :].count(b"\n") == max(0, len(tail) - (not is_whole))


def test_a_missing_log_has_no_tail(tmp_path: Path) -> None:
    assert tail_offset(tmp_path / "none", 5) == 0


def test_what_is_appended_is_copied_once(tmp_path: Path) -> None:
    path, stream = tmp_path / "console.log", io.BytesIO()
    follower, output = LogFollower(path), RawOutput(stream)
    assert not follower.copy_new(output)
    path.write_bytes(b"one\ntw")
    assert follower.copy_new(output)
    with path.open("ab") as file:
        file.write(b"o\n\xff\x1b[2J")
    assert follower.copy_new(output)
    assert not follower.copy_new(output)
    assert stream.getvalue() == b"one\ntwo\n\xff\x1b[2J"


def test_a_truncated_log_is_followed_from_its_start(tmp_path: Path) -> None:
    path, stream = tmp_path / "console.log", io.BytesIO()
    follower, output = LogFollower(path), RawOutput(stream)
    path.write_bytes(b"a long first line\n")
    follower.copy_new(output)
    path.write_bytes(b"short\n")
    follower.copy_new(output)
    assert stream.getvalue() == b"a long first line\nshort\n"


def test_a_replaced_log_is_followed_from_its_start(tmp_path: Path) -> None:
    path, stream = tmp_path / "console.log", io.BytesIO()
    follower, output = LogFollower(path), RawOutput(stream)
    path.write_bytes(b"old\n")
    follower.copy_new(output)
    (tmp_path / "new").write_bytes(b"new and longer\n")
    (tmp_path / "new").rename(path)
    follower.copy_new(output)
    assert stream.getvalue() == b"old\nnew and longer\n"


def test_a_terminal_gets_cleaned_lines_and_a_progress_bar_in_place() -> None:
    stream = io.BytesIO()
    output = TerminalOutput(stream, columns=10, colour=True)
    output.write(b"\x1b[2J\x1b[31mred\x1b[0m\n 10%|#")
    output.write(b"\r 20%|##        |")
    output.write(b"\r100%\ndone")
    output.end()
    bar = b" 10%|#" + ERASE_LINE + b" 20%|##  " + ERASE_LINE + b"100%\n"
    assert stream.getvalue() == b"\x1b[31mred\x1b[0m\n" + bar + b"done" + ERASE_LINE + b"done\n"


def test_a_terminal_without_colour_gets_none() -> None:
    stream = io.BytesIO()
    TerminalOutput(stream, columns=80, colour=False).write(b"\x1b[31mred\x1b[0m\n")
    assert stream.getvalue() == b"red\n"


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    output = TerminalOutput(io.BytesIO(), columns=80, colour=True)
    for _ in range(40):
        output.write(b"x" * 100_000)
    assert len(output._partial) <= 256 * 1024


def test_a_log_is_followed_across_attempts_to_the_end_of_the_run(lab: Lab) -> None:
    story, stream, ends = Story(lab, "restarted").attempt(b"first\n"), io.BytesIO(), []
    thread = threading.Thread(target=lambda: ends.append(follow_run(story.run, 1, 0, RawOutput(stream))))
    thread.start()
    until(lambda: b"first\n" in stream.getvalue(), "the first log")
    story.ended(code=1).moved(State.BACKOFF).attempt(b"second\n")
    until(lambda: b"second\n" in stream.getvalue(), "the second log")
    story.ended(code=0).moved(State.SUCCEEDED)
    until_ended(thread)
    assert stream.getvalue() == b"first\nsecond\n"
    assert [record.state for record in ends if isinstance(record, RunRecord)] == [State.SUCCEEDED]


def test_an_end_before_the_run_was_resumed_does_not_count(lab: Lab) -> None:
    story, stream, ends = Story(lab, "resumed").attempt(b"first\n").ended(code=1).moved(State.FAILED), io.BytesIO(), []
    seq = story.run.read_record().seq
    thread = threading.Thread(target=lambda: ends.append(follow_run(story.run, 2, 0, RawOutput(stream), seq)))
    thread.start()
    story.attempt(b"second\n").ended(code=0).moved(State.SUCCEEDED)
    until_ended(thread)
    assert stream.getvalue() == b"second\n"
    assert len(ends) == 1


def test_logs_prints_the_end_the_whole_and_earlier_attempts(vlad: Vlad, lab: Lab) -> None:
    story = Story(lab, "told").attempt(b"old\n").ended(code=1).moved(State.BACKOFF)
    story.attempt(b"one\ntwo\nthree\n").ended(code=0).moved(State.SUCCEEDED)
    assert vlad("logs", "told").out == "one\ntwo\nthree\n"
    assert vlad("logs", "-n", "2", "told").out == "two\nthree\n"
    assert vlad("logs", "-n", "all", "--attempt", "1", "told").out == "old\n"
    followed = vlad("logs", "-f", "told")
    assert (followed.code, followed.out) == (0, "one\ntwo\nthree\n")


def test_interrupting_detaches_and_never_stops_the_run(vlad: Vlad, lab: Lab) -> None:
    words = ("start", "--follow", "--name", "goes-on", "--", "bash", "-c", "echo ready; sleep 600")
    followed = subprocess.Popen([*VLAD, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert followed.stdout is not None
        run_id = followed.stdout.readline().decode().strip()
        assert followed.stdout.readline() == b"ready\n"
        followed.send_signal(signal.SIGINT)
        out, err = followed.communicate(timeout=PATIENCE_S)
    finally:
        followed.kill()
        followed.wait()
    assert followed.returncode == 130
    assert out == b""
    assert f"detached; the run goes on: `vlad logs -f {run_id}`" in err.decode()
    answer = vlad("ls", "--json")
    assert [one["state"] for one in answer.json] == ["RUNNING"]
    assert vlad("stop", "--now", "goes-on").code == 0


def test_on_a_terminal_logs_are_cleaned_and_lists_coloured(lab: Lab) -> None:
    Story(lab, "hostile").attempt(b"\x1b]0;owned\x07\x1b[2J\x1b[32mfine\x1b[0m\n").ended(code=0).moved(State.SUCCEEDED)
    assert on_terminal("logs", "hostile") == b"\x1b[32mfine\x1b[0m\r\n"
    assert b"\x1b[32mSUCCEEDED\x1b[0m" in on_terminal("ls")
    assert b"\x1b" not in on_terminal("ls", NO_COLOR="1")


def on_terminal(*words: str, **environment: str) -> bytes:
    """What a terminal gets to see."""
    ours, theirs = os.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run(
        [*VLAD, *words], stdin=theirs, stdout=theirs, check=True, env={**inherited, "TERM": "xterm", **environment}
    )
    os.close(theirs)
    seen = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while content := terminal.read(4096):
            seen += content
    return seen
