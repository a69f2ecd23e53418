"""The threads behind the screen: one watches, one reads records, one looks at the host; a log view brings its own."""

import threading
from collections.abc import Callable, Iterable
from pathlib import PurePath

from textual.message import Message
from vlad.records.history import RUN_ID
from vlad.records.home_view import PartsWanted

from vlatui.reading.collect import Collector
from vlatui.reading.messages import FilesChanged, HostRead
from vlatui.reading.neighbours import NeighbourWatch
from vlatui.sites.site import Site


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


class SiteThreads:
    """Watching and reading of one site; what they find is told by messages."""

    def __init__(self, site: Site, tell: Callable[[Message], object], *, looks_at_host: bool) -> None:
        self.site = site
        self._looks_at_host = looks_at_host
        self._tell = tell
        self.collector = Collector(site, tell)
        self.neighbours = NeighbourWatch(site, lambda view: tell(HostRead(view, site.label)))

    def start(self) -> None:
        name = self.site.label or "here"
        start_thread(f"collector {name}", self.collector.run)
        self.collector.look()
        start_thread(f"watch {name}", lambda: self.site.watch(self._changed))
        if self._looks_at_host:
            start_thread(f"neighbours {name}", self.neighbours.run)

    def _changed(self, paths: frozenset[str]) -> None:
        """Records are read again only where records changed: a log that grows says nothing about its run."""
        run_ids = frozenset(run_id for path in paths if (run_id := changed_run(path)) is not None)
        if not paths or run_ids:
            self.collector.look(run_ids or None)
        self._tell(FilesChanged(paths))

    def stop(self) -> None:
        self.collector.stop()
        self.neighbours.stop()
        self.site.stop()


class Threads:
    """The threads of all sites."""

    def __init__(self, sites: Iterable[Site], tell: Callable[[Message], object], *, looks_at_host: bool = True) -> None:
        self._of = tuple(SiteThreads(site, tell, looks_at_host=looks_at_host) for site in sites)

    def start(self) -> None:
        for threads in self._of:
            threads.start()

    def stop(self) -> None:
        for threads in self._of:
            threads.stop()

    def look(self) -> None:
        """Has all runs looked at."""
        for threads in self._of:
            threads.collector.look()

    def select(self, run_id: str | None, site: str = "") -> None:
        """Has this run of this site read in full from now on, and no other."""
        for threads in self._of:
            threads.collector.select(run_id if threads.site.label == site else None)

    def list_parts(self, wanted: PartsWanted) -> None:
        """Has these ended parts listed from now on."""
        for threads in self._of:
            threads.collector.list_parts(wanted)

    def look_at_processes(self) -> None:
        for threads in self._of:
            threads.collector.look_at_processes()

    def look_at_hosts_soon(self) -> None:
        for threads in self._of:
            threads.neighbours.look_soon()

    def pause(self, is_paused: bool) -> None:
        """Hosts are left alone while nobody looks."""
        for threads in self._of:
            threads.neighbours.is_paused = is_paused
