"""A real terminal for tests: a pane of a tmux server of its own."""

import os
import pty
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from patience import Patience, until_ended


class Terminal:
    """One pane, 100 by 30, running a plain shell. `close` ends the server and everything in it."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self._socket = str(folder / f"{name}.tmux")
        variables = [part for pair in environment.items() for part in ("-e", "=".join(pair))]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", *variables, "env PS1='$ ' sh")
        self.until("$")

    def _tmux(self, *arguments: str) -> str:
        tmux = shutil.which("tmux")
        assert tmux is not None
        environment = {key: value for key, value in os.environ.items() if key not in ("TMUX", "NO_COLOR")}
        done = subprocess.run(
            [tmux, "-S", self._socket, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        return done.stdout

    @property
    def text(self) -> str:
        """What the pane shows."""
        return self._tmux("capture-pane", "-p")

    @property
    def title(self) -> str:
        return self._tmux("display-message", "-p", "#{pane_title}").strip()

    @property
    def pid(self) -> int:
        """The shell's process."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def type(self, line: str) -> None:
        """Types a line and enter."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", key)

    @property
    def _device(self) -> Path:
        return Path(self._tmux("display-message", "-p", "#{pane_tty}").strip())

    def scribble(self, column: int, row: int, text: str) -> None:
        """Writes into the terminal behind the back of the program that runs in it."""
        self._device.write_text(f"\x1b[{row};{column}H{text}")

    def has_size(self, width: int, height: int) -> bool:
        """Whether the kernel, too, knows of this size."""
        with self._device.open() as device:
            return os.get_terminal_size(device.fileno()) == (width, height)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def until(self, *texts: str) -> str:
        """Waits until the pane shows every one of `texts`; what it shows then."""
        shown, patience = "", Patience(lambda: f"{texts} shown\n{shown}")
        while not all(text in (shown := self.text) for text in texts):
            patience.spend()
            time.sleep(0.05)
        return shown

    @contextmanager
    def looked_at(self, term: str) -> Iterator[bytearray]:
        """Somebody looks at it in a terminal called `term`; gives all that this terminal has got so far."""
        self._tmux("set", "-g", "allow-passthrough", "on")
        got = bytearray()
        pid, handle = pty.fork()
        if pid == 0:
            os.environ.pop("TMUX", None)
            os.environ["TERM"] = term
            os.execvp("tmux", ["tmux", "-S", self._socket, "attach"])

        def drain() -> None:
            with suppress(OSError):
                while piece := os.read(handle, 65536):
                    got.extend(piece)

        draining = threading.Thread(target=drain, daemon=True)
        draining.start()
        try:
            yield got
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            until_ended(draining)  # else it might go on with whatever file is opened under this number next
            os.close(handle)

    def close(self) -> None:
        """Kills the pane as a closed window does: SIGHUP to what runs in it."""
        self._tmux("kill-server")
