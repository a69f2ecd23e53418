"""The cells of a real terminal are those that the dashboard means, whatever happened to it: nothing stays behind."""

import os
import random
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from fake_runs import FakeRun, training_run
from patience import until
from real_terminal import Terminal
from vlad.records.rundir import Home

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
SCRIPT = Path(__file__).parents[1] / "support" / "frozen_dashboard.py"
SIZES = ((40, 10), (160, 48), (20, 5), (81, 25), (120, 30), (1, 1), (80, 24), (100, 30), (101, 30), (100, 31))
KEYS = ("1", "2", "3", "4", "5", "6", "j", "k", "G", "g", "z", "Enter", "Escape", "W", "+", "l", "C-l")


class Watched:
    """A dashboard of one run in a terminal, and what it means to show there."""

    def __init__(self, folder: Path, run: FakeRun, pace: str) -> None:
        self.run = run
        self._truth = folder / "truth"
        variables = {"XDG_CONFIG_HOME": str(folder / "config"), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.terminal = Terminal(folder, "terminal", variables)
        words = [sys.executable, str(SCRIPT), str(run.directory.home.path), str(self._truth), pace]
        self.terminal.type(shlex.join(words))
        self.terminal.until("1 live", "step 315 loss", "q Quit")

    @property
    def process(self) -> psutil.Process:
        children = psutil.Process(self.terminal.pid).children(recursive=True)
        return next(child for child in children if SCRIPT.name in " ".join(child.cmdline()))

    def truth(self) -> list[str]:
        """The lines that the dashboard means to show now."""
        self._truth.unlink(missing_ok=True)
        os.kill(self.process.pid, signal.SIGUSR1)
        until(self._truth.exists, "the dashboard tells what it means to show")
        return as_lines(self._truth.read_text())

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Meanwhile it does nothing."""
        held, is_deaf = self._truth.with_name("held"), self._truth.with_name("deaf")
        held.touch()
        os.kill(self.process.pid, signal.SIGUSR2)
        until(is_deaf.exists, "the dashboard hears nothing")
        yield
        held.unlink()

    def until_right(self, after: object = "") -> None:
        """Waits until the terminal shows what is meant, with nothing that would paint all of it again."""
        shown: list[list[str]] = [[], []]

        def is_right() -> bool:
            shown[:] = self.truth(), as_lines(self.terminal.text)
            return shown[0] == shown[1]

        try:
            until(is_right, "the right screen")
        except AssertionError:
            meant, seen = ("\n".join(lines) for lines in shown)
            pytest.fail(f"after {after}, meant:\n{meant}\nshown:\n{seen}")


def as_lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    opened: list[Watched] = []

    def make(pace: str = "quick") -> Watched:
        opened.append(Watched(tmp_path, training_run(Home(tmp_path / "home").prepare()), pace))
        return opened[-1]

    yield make
    for watched in opened:
        watched.terminal.close()


def write_on(run: FakeRun, step: int) -> None:
    """What a run writes: its log and its numbers."""
    run.log(f"INFO step {step} loss 0.{step % 97} 训练 ▁▂▃ e\u0301\n".encode())
    run.steps(step, step)


def test_every_cell_is_right_while_numbers_change_and_keys_are_pressed(watch: Callable[..., Watched]) -> None:
    watched, chance = watch(), random.Random(1)
    pressed: list[str] = []
    for step in range(316, 346):
        write_on(watched.run, step)
        pressed += chance.choices(KEYS, k=2)
        watched.terminal.press(*pressed[-2:])
        if step % 6 == 0:
            watched.until_right(pressed)


def test_every_cell_is_right_behind_and_after_a_dialog(watch: Callable[..., Watched]) -> None:
    watched = watch()
    for key, title in (("?", "Everywhere"), ("C", "STEP"), ("w", "training")):
        watched.terminal.press(key)
        write_on(watched.run, 316)
        watched.until_right(f"{key} opened")
        watched.terminal.resize(90, 26)
        watched.until_right(f"{key}: {title} resized")
        watched.terminal.press("Escape")
        watched.until_right(f"{key} closed")
        watched.terminal.resize(100, 30)


@pytest.mark.parametrize("seed", range(3))
def test_every_cell_is_right_after_many_sizes_under_load(watch: Callable[..., Watched], seed: int) -> None:
    watched, chance = watch("slow"), random.Random(seed)
    for burst in range(3):
        for _ in range(chance.randrange(2, 12)):
            watched.terminal.resize(*chance.choice(SIZES))
            write_on(watched.run, 316 + burst)
        watched.terminal.resize(100, 30)
        watched.until_right(f"seed {seed}, burst {burst}")


@pytest.mark.parametrize("dialog", ["", "?"])
def test_a_size_that_goes_and_comes_back_unseen_loses_nothing(watch: Callable[..., Watched], dialog: str) -> None:
    watched = watch()
    if dialog:
        watched.terminal.press(dialog)
        watched.terminal.until("Everywhere")
    watched.until_right("opened")
    with watched.deaf():
        for width, height in ((30, 8), (100, 30)):
            watched.terminal.resize(width, height)
            until(partial(watched.terminal.has_size, width, height), "the program is told of its size")
    watched.until_right("sizes that it never knew")


def test_what_something_else_wrote_is_gone_after_ctrl_l(watch: Callable[..., Watched]) -> None:
    watched = watch()
    watched.until_right()

    def is_scribbled() -> bool:
        """Again where the dashboard, still reading, has painted over it."""
        watched.terminal.scribble(5, 3, "written by wall")
        return "written by wall" in watched.terminal.text

    until(is_scribbled, "what something else wrote")
    watched.terminal.press("C-l")
    watched.until_right("ctrl+l")


def test_every_cell_is_right_after_ctrl_z_and_fg_with_a_dialog_open(watch: Callable[..., Watched]) -> None:
    watched = watch()
    watched.terminal.press("?")
    watched.terminal.until("Everywhere")
    watched.terminal.press("C-z")
    watched.terminal.until("Stopped")
    watched.terminal.type("clear")
    watched.terminal.type("fg")
    watched.terminal.until("Everywhere")
    watched.until_right("fg")
