"""A vlatui on a terminal of its own that nobody looks at, for tests that kill it."""

import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from patience import until
from vlad.host import processes
from vlad.records.outcome import ProcessIdentity


class Dashboard:
    """One vlatui process, its terminal drained as long as it lives."""

    def __init__(self, home: Path, run_id: str) -> None:
        self._master, slave = pty.openpty()
        environment = {**os.environ, "VLAD_HOME": str(home), "TERM": "xterm-256color"}
        environment |= {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "XDG_CONFIG_HOME": str(home),
            "LINES": "30",
            "COLUMNS": "100",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vlatui.cli", run_id], stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._painted = bytearray()
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with suppress(OSError):
            while piece := os.read(self._master, 65536):
                self._painted += piece

    @property
    def identity(self) -> ProcessIdentity | None:
        return processes.identity_of(self._process.pid)

    def until_painted(self, text: str) -> None:
        until(lambda: text.encode() in self._painted, f"the dashboard shows {text}")

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._master)
