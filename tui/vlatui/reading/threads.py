"""The threads behind the screen: one watches, one reads records, one looks at the host; a log view brings its own."""

import threading
from collections.abc import Callable
from pathlib import PurePath

from textual.message import Message
from vlad.records.rundir import RUN_ID, Home

from vlatui.reading.collect import Collector
from vlatui.reading.messages import FilesChanged, HostRead
from vlatui.reading.neighbours import NeighbourWatch
from vlatui.reading.watch import HomeWatch, is_polled


def start_thread(name: str, run: Callable[[], None]) -> None:
    """A daemon: it never keeps the dashboard from ending."""
    threading.Thread(target=run, name=name, daemon=True).start()


def changed_run(path: str) -> str | None:
    """The id of the run whose records lie at `path`; None for its logs. A path in the home itself stands for all."""
    parts = PurePath(path).parts
    at = next((number for number, part in enumerate(parts) if RUN_ID.fullmatch(part)), None)
    if at is None:
        return ""
    return None if "attempts" in parts[at + 1 :] else parts[at]


class Threads:
    """Watching and reading of one home; what they find is told by messages."""

    def __init__(
        self, home: Home, tell: Callable[[Message], object], *, always: str | None = None, looks_at_host: bool = True
    ) -> None:
        self._home = home
        self._looks_at_host = looks_at_host
        self._tell = tell
        self.collector = Collector(home, tell, always)
        self._watch: HomeWatch | None = None
        self.neighbours = NeighbourWatch(home, lambda view: tell(HostRead(view)))

    def start(self) -> None:
        start_thread("collector", self.collector.run)
        self.collector.look()
        start_thread("watch", self._watch_home)
        if self._looks_at_host:
            start_thread("neighbours", self.neighbours.run)

    def _watch_home(self) -> None:
        self._watch = HomeWatch(self._home, self._changed, polling=is_polled(self._home))
        self._watch.run()

    def _changed(self, paths: frozenset[str]) -> None:
        """Records are read again only where records changed: a log that grows says nothing about its run."""
        run_ids = frozenset(run_id for path in paths if (run_id := changed_run(path)) is not None)
        if not paths or run_ids:
            self.collector.look(run_ids or None)
        self._tell(FilesChanged(paths))

    def stop(self) -> None:
        self.collector.stop()
        self.neighbours.stop()
        if self._watch is not None:
            self._watch.stop()
