"""This host's runs, read from their files. Touches the disk and starts processes."""

import time
from collections.abc import Sequence
from pathlib import Path

from vlad.host import processes
from vlad.host.neighbours import HostView, NeighbourReader
from vlad.host.own_command import VLAD, environment_of
from vlad.host.run_processes import ProcessReader, RunProcess
from vlad.records.home_view import NO_PARTS, HomeReader, HomeView, PartsWanted
from vlad.records.requests import Action
from vlad.records.run import RunRecord
from vlad.records.rundir import Home

from vlatui.log.place import LocalPlace
from vlatui.look.words import tr
from vlatui.sites.site import Changed
from vlatui.sites.vlad import Answer, Vlad, ask, run_vlad
from vlatui.sites.watch import HomeWatch, is_polled


class LocalSite(LocalPlace):
    """A home of this host."""

    label = ""

    def __init__(self, home: Home, *, vlad: Vlad = run_vlad, always: str | None = None) -> None:
        """`always` names a run that is listed however old it is."""
        self.home = home
        self._vlad = vlad
        self._reader = HomeReader(home, always=always, is_alive=processes.is_alive)
        self._processes = ProcessReader()
        self._neighbours = NeighbourReader(home)
        self._watch: HomeWatch | None = None

    def watch(self, changed: Changed) -> None:
        self._watch = HomeWatch(self.home, changed, polling=is_polled(self.home))
        self._watch.run()

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def read_runs(self, changed: frozenset[str] | None, parts: PartsWanted = NO_PARTS) -> HomeView:
        return self._reader.read(changed, parts)

    def bring(self, run_id: str) -> None:
        """They are here."""

    def read_processes(self, record: RunRecord) -> tuple[RunProcess, ...]:
        return self._processes.read(record)

    def read_host(self) -> HostView:
        return self._neighbours.read(time.monotonic())

    def look_soon(self) -> None:
        self._neighbours.look_soon()

    def ask(self, run_id: str, action: Action) -> str:
        return ask(self.home.run(run_id), action)

    def vlad(self, arguments: Sequence[str]) -> Answer:
        """Not being able to start it is an answer too."""
        try:
            return self._vlad(arguments, self.home)
        except OSError as error:
            return Answer(False, tr("vlad cannot be started: {error}", error=error.strerror))

    def attaching(self, run_id: str) -> tuple[list[str], dict[str, str] | None]:
        return [*VLAD, "attach", run_id], environment_of(self.home)

    def foreign_log(self, name: str) -> Path:
        return Path(name)
