"""A program in a terminal of its own, watched from outside: when it shows what, how much it writes, what it costs."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from vlad.records.rundir import Home

ESCAPES = re.compile(rb"\x1b\[[0-9;:?<>=]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]", re.DOTALL)
KEPT_BYTES = 1_000_000
KEY_S = 0.15
OURS = (sys.executable, "-m", "vlatui.cli", "--readonly")
Figures = dict[str, Any]


class TerminalProgram:
    """Starts `argv` in a pseudo-terminal; a thread drains it. Times are seconds of the monotonic clock."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], columns: int = 160, rows: int = 48) -> None:
        self.started_at = time.perf_counter()
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(argv[0], list(argv), {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = psutil.Process(self._pid)
        self.written_bytes = 0
        self._recent = b""
        self._changed = threading.Condition()
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while True:
            try:
                select.select([self._terminal], [], [])
                content = os.read(self._terminal, 1 << 16)
            except OSError:
                return
            with self._changed:
                self.written_bytes += len(content)
                self._recent = (self._recent + content)[-KEPT_BYTES:]
                self._changed.notify_all()

    def press(self, keys: str) -> float:
        """Types key by key; returns when the last one was. What was shown before that is forgotten."""
        for key in keys[:-1]:
            os.write(self._terminal, key.encode())
            time.sleep(KEY_S)
        self.forget()
        now = time.perf_counter()
        os.write(self._terminal, keys[-1].encode())
        return now

    def forget(self) -> None:
        with self._changed:
            self._recent = b""

    def until_shown(self, text: str, limit_s: float = 60.0) -> float | None:
        """The moment at which the text has been written, colours left aside; None where it never is."""
        return self._until(lambda: text.encode() in ESCAPES.sub(b"", self._recent), limit_s)

    def _until(self, holds: Callable[[], bool], limit_s: float) -> float | None:
        end = time.perf_counter() + limit_s
        with self._changed:
            while not holds():
                left = end - time.perf_counter()
                if left <= 0 or (not self._changed.wait(min(left, 1.0)) and not self.is_alive):
                    return None
            return time.perf_counter()

    @property
    def is_alive(self) -> bool:
        return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far, those of children included."""
        return sum(sum(one.cpu_times()[:2]) for one in [self._process, *self._process.children(recursive=True)])

    @property
    def peak_bytes(self) -> int:
        """The most memory that it ever had, as the kernel counts it."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]

    def close(self) -> None:
        for one in [*self._process.children(recursive=True), self._process]:
            one.send_signal(signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


def environment(home: Home) -> dict[str, str]:
    """As a user's: on that home, with compiled modules kept, as an installed program has them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "VLAD_HOME": str(home.path), "XDG_CONFIG_HOME": str(home.path / "config")}


@contextmanager
def program(*argv: str, home: Home) -> Iterator[TerminalProgram]:
    running = TerminalProgram(argv, environment(home))
    try:
        yield running
    finally:
        running.close()


def since(start: float, end: float | None) -> float | None:
    return None if end is None else end - start
