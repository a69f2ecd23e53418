"""The dashboard in a real terminal: it attaches, it obeys, and whatever happens to it happens to no run."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from patience import Patience, until
from real_terminal import Terminal
from supervised_runs import Lab, Run
from vlad.records.run import State

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
VLATUI = f"{sys.executable} -m vlatui.cli"
SENT_S = 10.0
LINES = "i=0; while true; do i=$((i+1)); echo line $i of the run; sleep 0.05; done"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    laboratory = Lab(tmp_path)
    yield laboratory
    laboratory.close()


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Callable[[], Terminal]]:
    """Opens terminals on the test's home; all are closed after the test."""
    opened: list[Terminal] = []

    def make() -> Terminal:
        variables = {"VLAD_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        opened.append(
            Terminal(tmp_path, f"terminal{len(opened)}", {**variables, "PYTHONPATH": os.pathsep.join(sys.path)})
        )
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.close()


def newest_line(run: Run) -> int:
    """The number of the last line that the run wrote."""
    lines = run.console().splitlines()
    return int(lines[-1].split()[1]) if lines else 0


def goes_on(run: Run) -> None:
    """Waits for lines that are not there yet, and checks that none is missing."""
    wanted = newest_line(run) + 5
    until(lambda: newest_line(run) >= wanted, "the run goes on")
    complete = run.console().split("\n")[:-1]
    assert complete == [f"line {number} of the run" for number in range(1, len(complete) + 1)]
    assert run.record.state is State.RUNNING


def until_followed(terminal: Terminal, run: Run) -> None:
    """Waits until the terminal shows a line that is not written yet."""
    wanted = newest_line(run) + 3
    shown = re.compile(r"line (\d+) of the run")
    until(lambda: max(map(int, shown.findall(terminal.text)), default=0) >= wanted, f"line {wanted} shown")


def dashboard_of(terminal: Terminal) -> psutil.Process:
    """The vlatui process of a terminal."""
    children = psutil.Process(terminal.pid).children(recursive=True)
    return next(child for child in children if "vlatui.cli" in " ".join(child.cmdline()))


def test_a_killed_dashboard_leaves_the_run_going_and_the_next_one_shows_it(
    lab: Lab, open_terminal: Callable[[], Terminal]
) -> None:
    run = lab.start("bash", "-c", LINES)
    first = open_terminal()
    first.type(VLATUI)
    first.until("1 live", "● following", "of the run")
    os.kill(dashboard_of(first).pid, signal.SIGKILL)
    goes_on(run)
    second = open_terminal()
    second.type(f"{VLATUI} last")
    second.until("● following")
    until_followed(second, run)


def test_a_closed_terminal_takes_its_dashboard_and_nothing_else(
    lab: Lab, open_terminal: Callable[[], Terminal]
) -> None:
    run = lab.start("bash", "-c", LINES)
    terminal = open_terminal()
    terminal.type(VLATUI)
    terminal.until("● following")
    dashboard = dashboard_of(terminal)
    terminal.close()
    until(lambda: not dashboard.is_running() or dashboard.status() == psutil.STATUS_ZOMBIE, "end of the dashboard")
    goes_on(run)


def test_a_run_started_in_a_terminal_outlives_it_and_is_seen_from_another(
    lab: Lab, open_terminal: Callable[[], Terminal]
) -> None:
    terminal = open_terminal()
    script = lab.path / "count.sh"
    script.write_text(LINES)
    terminal.type(f"{sys.executable} -m vlad.cli start --name mine -- bash {script}")
    terminal.until("vlatui 2")
    run = Run(lab.home.find("mine"))
    lab.runs.append(run)
    until(lambda: run.directory.attempt(1).console.exists() and newest_line(run) > 3, "first lines")
    terminal.close()
    goes_on(run)
    other = open_terminal()
    other.type(VLATUI)
    other.until("mine", "running")
    until_followed(other, run)


def test_q_gives_the_terminal_back_as_it_was(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    run = lab.start("bash", "-c", LINES)
    terminal = open_terminal()
    terminal.type("echo before; stty -a | md5sum")
    before = terminal.until("before", "-").strip().splitlines()[-2]
    terminal.type(VLATUI)
    terminal.until("● following")
    terminal.press("q")
    terminal.until("before")
    terminal.type("clear; stty -a | md5sum")
    terminal.until(before.split()[0])
    goes_on(run)


def test_s_stops_a_real_run_and_r_resumes_it(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    run = lab.start("bash", "-c", LINES)
    terminal = open_terminal()
    terminal.type(VLATUI)
    terminal.until("● following", "running")
    terminal.press("s")
    terminal.until("Stop test?")
    terminal.press("y")
    terminal.until("stopped")
    assert run.record.state is State.STOPPED
    terminal.press("r")
    terminal.until("running", "attempt 2")
    run.until_state(State.RUNNING)


def test_it_follows_the_size_of_the_terminal(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    lab.start("bash", "-c", LINES)
    terminal = open_terminal()
    terminal.type(VLATUI)
    terminal.until("● following", "q Quit")
    for width, height in ((40, 10), (160, 48), (80, 24)):
        terminal.resize(width, height)
        terminal.until("of the run")
        assert max(len(line) for line in terminal.text.splitlines()) <= width
    terminal.until("q Quit")


def test_escape_sequences_of_a_log_are_not_obeyed(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    nasty = r"\033]0;owned\007\033]2;owned\007\033[2J\033[H\033[?1049l\033[8mhidden\033c\033[31mred\033[0m end\n"
    lab.start("bash", "-c", f"printf '{nasty}'; sleep 60")
    terminal = open_terminal()
    title = terminal.title
    terminal.type(VLATUI)
    terminal.until("hiddenred end", "● following")
    terminal.press("2", "1")
    terminal.until("hiddenred end")
    assert terminal.title == title


def test_a_run_that_ends_is_seen_to_end(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    until_file = lab.path / "go"
    lab.start("bash", "-c", f"while [ ! -e {until_file} ]; do sleep 0.05; done; echo bye; exit 3")
    terminal = open_terminal()
    terminal.type(VLATUI)
    terminal.until("running")
    until_file.touch()
    terminal.until("failed", "bye", "✗ 1 failed")


def test_many_sizes_in_a_row_leave_a_whole_screen(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    lab.start("bash", "-c", LINES)
    terminal = open_terminal()
    terminal.type(VLATUI)
    terminal.until("● following", "q Quit")
    for width, height in ((40, 10), (160, 48), (20, 5), (81, 25), (120, 30), (1, 1), (80, 24)) * 3:
        terminal.resize(width, height)
    terminal.until("1 live", "1 Log", "of the run", "● following", "q Quit")


def test_t_attaches_to_the_terminal_of_a_run_and_comes_back(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    terminal = open_terminal()
    script = lab.path / "ask.sh"
    script.write_text("read -r word; echo you said $word; sleep 60")
    terminal.type(f"{sys.executable} -m vlad.cli start --tty --name mine -- bash {script}")
    terminal.until("vlatui 2")
    lab.runs.append(Run(lab.home.find("mine")))
    terminal.type(f"clear; {VLATUI}")
    terminal.until("1 live", "running", "q Quit")
    terminal.press("t")
    terminal.until("detaches")
    terminal.type("hello")
    terminal.until("you said hello")
    terminal.press("C-]")
    terminal.until("1 live", "q Quit", "you said hello")


def test_ctrl_z_gives_the_shell_back_and_fg_the_dashboard(lab: Lab, open_terminal: Callable[[], Terminal]) -> None:
    run = lab.start("bash", "-c", LINES)
    terminal = open_terminal()
    terminal.type(VLATUI)
    terminal.until("● following", "of the run", "q Quit")
    terminal.press("C-z")
    terminal.until("Stopped")
    goes_on(run)
    terminal.type("fg")
    terminal.until("● following", "q Quit")
    until_followed(terminal, run)


def test_a_desktop_notification_passes_tmux_as_the_terminal_outside_knows_it(
    lab: Lab, open_terminal: Callable[[], Terminal]
) -> None:
    run = lab.start("bash", "-c", LINES)
    run.until_state(State.RUNNING)
    terminal = open_terminal()
    with terminal.looked_at("xterm-256color") as got:
        until(lambda: got, "tmux paints")
        terminal.type(VLATUI)
        terminal.until("of the run", "following")
        sent, patience, keys = b"\x1b]9;vlatui: this is how the end of a run is told\x07", Patience("it passes"), "BB"
        while sent not in got:  # tmux drops what it is to pass on while it paints all anew
            patience.spend()
            terminal.press(*keys)
            with suppress(AssertionError):
                until(lambda: sent in got, "the notification outside of tmux", SENT_S)
            keys = "BBBB"
