"""The thread that reads records of one site for the screen: its runs whenever they change, the selected one in full."""

import queue
from collections.abc import Callable
from dataclasses import dataclass, replace

from textual.message import Message
from vlad.records.files import RecordError
from vlad.records.home_view import NO_PARTS, HomeView, PartsWanted, RunView

from vlatui.reading.detail import DetailReader
from vlatui.reading.messages import DetailRead, HomeRead, ProcessesRead, ReadFailed
from vlatui.sites.site import Site


@dataclass(frozen=True, slots=True)
class _Look:
    """Something changed: files of the runs with these ids, or anything (None)."""

    changed: frozenset[str] | None = None

    def and_also(self, other: "_Look") -> "_Look":
        both = None if self.changed is None or other.changed is None else self.changed | other.changed
        return _Look(both)


@dataclass(frozen=True, slots=True)
class _Select:
    run_id: str | None


@dataclass(frozen=True, slots=True)
class _ListParts:
    wanted: PartsWanted


@dataclass(frozen=True, slots=True)
class _LookAtProcesses:
    pass


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


_Command = _Look | _Select | _ListParts | _LookAtProcesses | _Stop


class Collector:
    """`run` belongs to a thread; everything else may be called from any and returns at once."""

    def __init__(self, site: Site, tell: Callable[[Message], object]) -> None:
        self._tell = tell
        self._site = site
        self._detail: DetailReader | None = None
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._view: HomeView | None = None
        self._parts = NO_PARTS
        self._failure = ""

    def look(self, changed: frozenset[str] | None = None) -> None:
        """Has the runs with these ids looked at, or all of them."""
        self._commands.put(_Look(changed))

    def select(self, run_id: str | None) -> None:
        self._commands.put(_Select(run_id))

    def list_parts(self, wanted: PartsWanted) -> None:
        """Has these ended parts listed from now on, and the selected run as long as it is selected."""
        self._commands.put(_ListParts(wanted))

    def look_at_processes(self) -> None:
        self._commands.put(_LookAtProcesses())

    def stop(self) -> None:
        self._commands.put(_Stop())

    def run(self) -> None:
        """Reads when told to until told to stop; blocks."""
        while True:
            commands = [self._commands.get()]
            while not self._commands.empty():
                commands.append(self._commands.get())
            if any(isinstance(command, _Stop) for command in commands):
                return
            try:
                self._obey(_newest(commands))
                self._failure = ""
            except (OSError, RecordError) as error:
                self._fail(error)

    def _obey(self, newest: dict[type[_Command], _Command]) -> None:
        look, parts, selected = newest.get(_Look), newest.get(_ListParts), newest.get(_Select)
        if isinstance(parts, _ListParts):
            self._parts = parts.wanted
        others_are_listed = parts is not None
        if isinstance(selected, _Select):
            others_are_listed |= self._is_listed_for_itself
            self._detail = DetailReader(self._site.home.run(selected.run_id)) if selected.run_id else None
        if isinstance(look, _Look) or others_are_listed:
            self._read_home(look.changed if isinstance(look, _Look) else frozenset())
        is_due = selected is not None or (isinstance(look, _Look) and self._concerns_selected(look))
        if is_due and self._detail is not None:
            self._read_detail(self._detail)
        if _LookAtProcesses in newest:
            self._read_processes()

    @property
    def _selected(self) -> RunView | None:
        return self._view.find(self._detail.run.run_id) if self._view and self._detail else None

    @property
    def _is_listed_for_itself(self) -> bool:
        """Whether the selected run is an ended part that is listed only as long as it is selected."""
        run = self._selected
        return run is not None and run.is_ended_part and run.record.part_of not in self._parts.of

    def _read_detail(self, reader: DetailReader) -> None:
        self._site.bring(reader.run.run_id)
        if (detail := reader.read()) is not None:
            self._tell(DetailRead(detail))

    def _concerns_selected(self, look: _Look) -> bool:
        return self._detail is not None and (look.changed is None or self._detail.run.run_id in look.changed)

    def _read_home(self, changed: frozenset[str] | None) -> None:
        selected = self._detail.run.run_id if self._detail else None
        view = self._site.read_runs(changed, replace(self._parts, also=selected))
        if view != self._view:
            self._view = view
            self._tell(HomeRead(view, self._site.label))

    def _read_processes(self) -> None:
        run = self._selected
        if run is not None:
            self._tell(ProcessesRead(run.run_id, self._site.read_processes(run.record)))

    def _fail(self, error: OSError | RecordError) -> None:
        """Says it once, until something succeeds again."""
        words = str(error)
        if words != self._failure:
            self._failure = words
            self._tell(ReadFailed(words))


def _newest(commands: list[_Command]) -> dict[type[_Command], _Command]:
    """Of several commands alike the newest; looks are put together."""
    newest: dict[type[_Command], _Command] = {}
    for command in commands:
        before = newest.get(type(command))
        if isinstance(command, _Look) and isinstance(before, _Look):
            command = before.and_also(command)
        newest[type(command)] = command
    return newest
