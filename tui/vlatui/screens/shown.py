"""What the one screen shows now, as its messages have told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from vlad.host.neighbours import HostView
from vlad.records.foreign import ForeignJob
from vlad.records.home_view import HomeView

from vlatui.reading.detail import RunDetail
from vlatui.telling import gpu_strip


@dataclass(slots=True)
class Shown:
    """What the screen shows now. `waiting` is what is done once the run with this id is read in full."""

    view: HomeView
    detail: RunDetail | None = None
    waiting: tuple[str, Callable[[], object]] | None = None
    ticks: int = 0
    is_read: bool = False
    anew: set[str] = field(default_factory=set)
    homes: dict[str, HomeView] = field(default_factory=dict)
    hosts: dict[str, HostView] = field(default_factory=dict)
    loads: dict[str, dict[int, list[gpu_strip.Load]]] = field(default_factory=dict)

    @property
    def foreign(self) -> list[tuple[str, ForeignJob]]:
        """The trainings that vlad did not start, with their hosts."""
        return [(site, job) for site, host in self.hosts.items() for job in host.foreign]
