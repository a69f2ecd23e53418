"""vlad attach in a real terminal: it types, it leaves, it comes back, and no kill takes the program away."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from command_line import Story, Vlad
from patience import until
from real_terminal import Terminal
from supervised_runs import Lab, Run, kill
from vlad.commands.command import CliError
from vlad.commands.watching.attach import key_code
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import OnHang
from vlad.supervise import detach

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
VLAD = f"{sys.executable} -m vlad.cli"
PYTHON = f"{sys.executable} -q -i"
Open = Callable[[], Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def make() -> Terminal:
        variables = {"VLAD_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        variables["PYTHONPATH"] = os.pathsep.join(sys.path)
        opened.append(Terminal(tmp_path, f"terminal{len(opened)}", variables))
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.close()


def started(lab: Lab, terminal: Terminal, command: str) -> Run:
    """A run that the user starts and attaches to at once."""
    terminal.type(f"clear; {VLAD} start --attach --name mine -- {command}")
    terminal.until("ctrl-] detaches")
    run = Run(lab.home.find("mine"))
    lab.runs.append(run)
    return run


@needs_tmux
def test_an_interactive_python_outlives_the_supervisor_and_the_terminal(lab: Lab, open_terminal: Open) -> None:
    first = open_terminal()
    run = started(lab, first, PYTHON)
    first.until(">>>")
    first.type("x = 6 * 7")
    _, supervisor = run.guard()
    kill(supervisor)
    run.guard()
    first.type("print('x is', x)")
    first.until("x is 42")
    first.type("import time; time.sleep(600)")
    first.press("C-c")
    first.until("KeyboardInterrupt")
    first.press("C-]")
    first.until("detached; the run goes on")
    first.type(f"clear; {VLAD} attach mine")
    first.until("x is 42", "KeyboardInterrupt")
    first.close()

    second = open_terminal()
    second.type(f"clear; {VLAD} attach mine; echo left with $?")
    second.until("x is 42")
    second.resize(90, 20)
    second.type("import os, time")
    second.type("while os.get_terminal_size() != (90, 20): time.sleep(0.05)")
    second.type("")
    second.type("print('the size is', tuple(os.get_terminal_size()))")
    second.until("the size is (90, 20)")
    second.type("raise SystemExit(5)")
    second.until("FAILED", "left with 5")
    assert run.until_ended().state is State.FAILED


@needs_tmux
def test_pdb_is_used_as_in_a_terminal_and_a_reader_only_reads(lab: Lab, open_terminal: Open) -> None:
    program = lab.path / "program.py"
    program.write_text("value = 1\nbreakpoint()\nprint('went on with', value)\n")
    typist, reader = open_terminal(), open_terminal()
    run = started(lab, typist, f"{sys.executable} {program}")
    typist.until("(Pdb)")
    reader.type(f"clear; {VLAD} attach mine --readonly")
    reader.until("(Pdb)", "read-only: ctrl-], ctrl-c or q detaches")
    reader.type("value = 99")
    typist.type("value = value + 6")
    typist.type("p 'now', value")
    reader.until("('now', 7)")
    reader.press("q")
    reader.until("detached")
    typist.type("continue")
    typist.until("went on with 7", "SUCCEEDED")
    assert run.until_ended().state is State.SUCCEEDED


@needs_tmux
def test_a_program_with_the_whole_screen_is_drawn_again_and_the_screen_given_back(
    lab: Lab, open_terminal: Open
) -> None:
    draws = (
        "import os, signal\n"
        "def draw(*_):\n"
        "    os.write(1, b'\\x1b[2J\\x1b[5;5Hdrawn %d wide' % os.get_terminal_size().columns)\n"
        "signal.signal(signal.SIGWINCH, draw)\nos.write(1, b'\\x1b[?1049h')\ndraw()\nwhile True: signal.pause()\n"
    )
    program = lab.path / "draws.py"
    program.write_text(draws)
    terminal = open_terminal()
    run = started(lab, terminal, f"{sys.executable} {program}")
    terminal.until("drawn 100 wide")
    terminal.press("C-]")
    assert "drawn" not in terminal.until("detached")
    terminal.type(f"clear; {VLAD} attach mine")
    terminal.until("drawn 100 wide")
    terminal.resize(70, 20)
    terminal.until("drawn 70 wide")
    run.ask(Action.STOP_NOW)
    terminal.until("STOPPED")
    assert run.until_ended().state is State.STOPPED


def test_a_run_without_a_terminal_is_refused_with_what_to_do(lab: Lab, vlad: Vlad) -> None:
    run = lab.start("sleep", "600")
    answer = vlad("attach", "last")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "was started without --tty and has no terminal; `vlad logs -f" in answer.err
    run.ask(Action.STOP_NOW)
    run.until_ended()


def test_a_run_that_has_ended_is_refused(lab: Lab, vlad: Vlad) -> None:
    Story(lab, "ended", has_terminal=True).attempt().ended(code=0).moved(State.SUCCEEDED)
    answer = vlad("attach", "ended")
    assert answer.code == 2
    assert "is SUCCEEDED already; `vlad logs" in answer.err


def test_without_a_terminal_here_it_is_refused(lab: Lab, vlad: Vlad, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.create(msgspec.structs.replace(lab.spec("sleep", "600"), has_terminal=True))
    detach.start(run.directory)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        answer = vlad("attach", "last")
    assert answer.code == 2
    assert "attach needs a terminal; `vlad logs -f" in answer.err
    until(lambda: run.record.state is State.RUNNING, run)
    run.ask(Action.STOP_NOW)
    run.until_ended()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("--attach", "--follow"), "--attach shows the run itself; leave out --follow"),
        (("--attach", "--json"), "--attach shows the run itself; leave out --json"),
        (("--attach",), "--attach needs a terminal"),
    ],
)
def test_what_does_not_go_with_attaching_is_refused(vlad: Vlad, words: tuple[str, ...], refusal: str) -> None:
    answer = vlad("start", *words, "--", "true")
    assert answer.code == 2
    assert refusal in answer.err
    assert vlad.lab.home.run_ids() == []


def test_a_run_to_debug_is_neither_restarted_nor_taken_for_hung(vlad: Vlad) -> None:
    spec = vlad.started("--tty", "--", "true").directory.read_spec()
    assert spec.has_terminal
    assert spec.restart.budget == 0
    assert spec.hang.action is OnHang.NOTHING


@pytest.mark.parametrize(
    ("key", "code"), [("ctrl-]", 0x1D), ("ctrl-a", 1), ("Ctrl-Z", 26), ("ctrl-\\", 0x1C), ("^-_", 0x1F)]
)
def test_a_detach_key_is_a_control_character(key: str, code: int) -> None:
    assert key_code(key) == code


@pytest.mark.parametrize("key", ["", "a", "ctrl-", "ctrl-1", "alt-a", "ctrl-ab", "f1"])
def test_what_is_no_detach_key_is_refused(key: str) -> None:
    with pytest.raises(CliError, match="is none: ctrl- with a letter"):
        key_code(key)
