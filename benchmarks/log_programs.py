"""A log of 1 GB in the dashboard, in lnav and in toolong: opened, gone into its middle, searched.

Each runs in tmux, and what its screen shows is looked at: a program that paints only the characters that differ from
what stood there before is seen to arrive too.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from screen_program import ScreenProgram, on_screen
from terminal_program import OURS, Figures, since
from vlad.records.rundir import Home

NEEDLE = "needle42"
DOWN = "\x1b[B"


def large_log(home: Home, console: Path, size_mb: int, tools: dict[str, str]) -> Figures:
    """A log of this size: opened, gone into its middle, searched for what is in it once."""
    lines = write_log(console, size_mb * 1_000_000)
    last, middle = f"line {lines - 1:09d}", lines // 2
    found: Figures = {"size_bytes": console.stat().st_size, "lines": lines}
    keys: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "vlatui": (f"\r:{middle + 1}\r", f"/{NEEDLE}\r"),
        "lnav": (f":goto {middle}\r", f"/{NEEDLE}\r"),
        "toolong": (f"\x07\x15{middle + 1}", ["\x1b", "\x06", *NEEDLE, DOWN]),  # it goes along with each digit
    }
    commands = {"vlatui": OURS, **{name: (path, str(console)) for name, path in tools.items()}}
    for name, argv in commands.items():
        with on_screen(*argv, home=home) as running:
            found[name] = log_figures(running, last, middle, keys[name])
    return found


def log_figures(running: ScreenProgram, first: str, middle: int, keys: tuple[Sequence[str], Sequence[str]]) -> Figures:
    opened = running.until_shown(first, 40)
    busy_until_quiet(running)
    settled, settled_cpu = time.perf_counter(), running.cpu_s
    asked = running.press(keys[0])
    there = running.until_shown(f"line {middle:09d}", 10)
    searched = running.press(keys[1])
    shown = running.until_shown(f"{NEEDLE} is here", 20)
    return {
        "first_lines_s": since(running.started_at, opened), "quiet_after_s": settled - running.started_at,
        "cpu_until_quiet_s": settled_cpu, "jump_s": since(asked, there), "search_s": since(searched, shown),
        "peak_mb": running.peak_bytes / 1e6,
    }  # fmt: skip


def busy_until_quiet(running: ScreenProgram, limit_s: float = 30.0) -> None:
    """Waits until it has used next to no processor for a second."""
    end = time.perf_counter() + limit_s
    while time.perf_counter() < end:
        before = running.cpu_s
        time.sleep(1.0)
        if running.cpu_s - before < 0.1:
            return


def write_log(path: Path, size_bytes: int) -> int:
    """Lines of a training, one of them (two thirds in) with the needle. Returns how many."""
    number, written, has_needle = 0, 0, False
    with path.open("wb") as file:
        while written < size_bytes:
            block = [
                f"line {at:09d} 2026-11-22 12:00:00 INFO step {at} loss {2 / (1 + at % 977):.4f} lr 5.0e-04 norm 1.1\n"
                for at in range(number, number + 20_000)
            ]
            if not has_needle and written > size_bytes * 2 // 3:
                block[7] = f"line {number + 7:09d} {NEEDLE} is here\n"
                has_needle = True
            content = "".join(block).encode()
            file.write(content)
            written += len(content)
            number += 20_000
    return number


def tools_in(folder: Path, *, with_toolong: bool = True) -> dict[str, str]:
    """toolong in an environment made here, and lnav where it is installed; says which is not there."""
    found = {}
    if lnav := shutil.which("lnav"):
        found["lnav"] = lnav
    if with_toolong and (toolong := _toolong_in(folder)):
        found["toolong"] = toolong
    for name in ("lnav", "toolong") if with_toolong else ("lnav",):
        if name not in found:
            print(f"{name} is not to be had here: not measured")
    return found


def _toolong_in(folder: Path) -> str | None:
    subprocess.run([sys.executable, "-m", "venv", folder / "toolong"], check=True)
    pip = [str(folder / "toolong" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "toolong"]
    is_there = subprocess.run(pip, check=False, capture_output=True).returncode == 0
    return str(folder / "toolong" / "bin" / "tl") if is_there else None
