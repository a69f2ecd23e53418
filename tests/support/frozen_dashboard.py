"""A dashboard whose clock stands still. On SIGUSR1 it writes down what its terminal ought to show; on SIGUSR2 it is
deaf while there is a file `held` beside that. See `main`.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

import vlatui.app
from fake_runs import NOW
from screen_text import screen_text
from vlad.records.rundir import Home
from vlatui.app import VlatuiApp

BUSY_S = 0.02


class FrozenDashboard(VlatuiApp):
    """`truth` is the file for what should be on screen; with `is_slow`, other work keeps its one thread busy."""

    CSS_PATH = str(Path(vlatui.app.__file__).parent / "vlatui.tcss")

    def __init__(self, home: Home, truth: Path, *, is_slow: bool) -> None:
        super().__init__(home, clock=lambda: NOW, adopts=False, looks_at_host=False, home_name="~/runs")
        self._truth = truth
        self._is_slow = is_slow

    def on_mount(self) -> None:
        super().on_mount()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._tell_truth)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, self._be_deaf)
        if self._is_slow:
            self.set_interval(0.05, lambda: time.sleep(BUSY_S))

    def _tell_truth(self) -> None:
        aside = self._truth.with_suffix(".new")
        aside.write_text(screen_text(self))
        aside.rename(self._truth)

    def _be_deaf(self) -> None:
        self._truth.with_name("deaf").touch()
        while self._truth.with_name("held").exists():
            time.sleep(0.01)


def main() -> None:
    """Arguments: the home, the file for the truth, and `slow` or `quick`."""
    home, truth, pace = sys.argv[1:]
    FrozenDashboard(Home(Path(home)), Path(truth), is_slow=pace == "slow").run(mouse=False)


if __name__ == "__main__":
    main()
