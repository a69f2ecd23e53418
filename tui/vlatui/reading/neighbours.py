"""Tells what else is on a host as it changes: its GPUs, and trainings that vlad did not start."""

import threading
from collections.abc import Callable

from vlad.host.neighbours import GPU_LOOK_S, NOBODY, HostView

from vlatui.sites.site import Site

FIRST_LOOK_S = 0.3  # the runs are painted first


class NeighbourWatch:
    """Calls `changed` with the host when it changed, and with every reading of GPUs; `run` blocks until `stop`."""

    def __init__(self, site: Site, changed: Callable[[HostView], object]) -> None:
        self._site = site
        self._changed = changed
        self._wake = threading.Event()
        self._stopped = False
        self.is_paused = False

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def look_soon(self) -> None:
        self._site.look_soon()
        self._wake.set()

    def run(self) -> None:
        told = NOBODY
        self._wake.wait(FIRST_LOOK_S)
        while not self._stopped:
            if not self.is_paused:
                view = self._site.read_host()
                if view.gpus or view != told:
                    told = view
                    self._changed(view)
            self._wake.wait(GPU_LOOK_S)
            self._wake.clear()
