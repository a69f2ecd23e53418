"""A program in a pane of a tmux of its own: what its screen shows, however it was painted, and what it costs.

The screen is looked at every few milliseconds, so that times are right to about 10 ms.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from terminal_program import KEY_S, environment
from vlad.records.rundir import Home

POLL_S = 0.002
SIZE = (160, 48)
PASSED = ("VLAD_HOME", "XDG_CONFIG_HOME", "PATH", "HOME", "LANG")


class ScreenProgram:
    """Starts `argv` in a pane of `SIZE` (columns, rows). Times are seconds of the monotonic clock."""

    def __init__(self, argv: Sequence[str], variables: Mapping[str, str], folder: Path) -> None:
        self._socket = str(folder / "tmux")
        self._tmux("-f", "/dev/null", "start-server", ";", "set-option", "-g", "exit-empty", "off")
        self._tmux("set-option", "-g", "default-terminal", "tmux-256color")
        self.started_at = time.perf_counter()
        settings = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
        self._tmux("new-session", "-d", "-x", str(SIZE[0]), "-y", str(SIZE[1]), *settings, "--", *argv)
        self._process = psutil.Process(int(self._tmux("display-message", "-p", "#{pane_pid}")))

    def _tmux(self, *words: str) -> str:
        tmux = shutil.which("tmux")
        assert tmux is not None
        return subprocess.run([tmux, "-S", self._socket, *words], capture_output=True, text=True, check=False).stdout

    def press(self, keys: Sequence[str]) -> float:
        """Types key by key (each as the bytes that it sends); returns when the last one was."""
        for key in keys[:-1]:
            self._press(key)
            time.sleep(KEY_S)
        now = time.perf_counter()
        self._press(keys[-1])
        return now

    def _press(self, key: str) -> None:
        self._tmux("send-keys", "-H", *(f"{byte:02x}" for byte in key.encode()))

    def until_shown(self, text: str, limit_s: float = 60.0) -> float | None:
        """The moment at which the screen shows the text; None where it never does."""
        end = time.perf_counter() + limit_s
        while text not in self._tmux("capture-pane", "-p"):
            if time.perf_counter() > end or not self._process.is_running():
                return None
            time.sleep(POLL_S)
        return time.perf_counter()

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far, those of children included."""
        return sum(sum(one.cpu_times()[:2]) for one in [self._process, *self._process.children(recursive=True)])

    @property
    def peak_bytes(self) -> int:
        """The most memory that it ever had, as the kernel counts it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) * 1024 if found else 0

    def close(self) -> None:
        self._tmux("kill-server")


@contextmanager
def on_screen(*argv: str, home: Home) -> Iterator[ScreenProgram]:
    """The program on the home's folder, ended when this is left."""
    own = environment(home)
    variables = {
        name: own[name] for name in ("VLAD_HOME", "XDG_CONFIG_HOME", "PATH", "HOME", "LANG", "TERM") if name in own
    }
    running = ScreenProgram(argv, variables | {"COLORTERM": "truecolor"}, home.path)
    try:
        yield running
    finally:
        running.close()
