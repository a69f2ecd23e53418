"""What threads tell the screen: small frozen facts, never widgets, never file handles."""

from textual.message import Message
from vlad.host.neighbours import HostView
from vlad.host.run_processes import RunProcess
from vlad.records.home_view import HomeView

from vlatui.reading.detail import RunDetail


class HomeRead(Message):
    """The runs of a site were looked at."""

    def __init__(self, view: HomeView, site: str = "") -> None:
        super().__init__()
        self.view = view
        self.site = site


class DetailRead(Message):
    """The selected run was looked at."""

    def __init__(self, detail: RunDetail) -> None:
        super().__init__()
        self.detail = detail


class ProcessesRead(Message):
    """The processes of a run were looked at."""

    def __init__(self, run_id: str, processes: tuple[RunProcess, ...]) -> None:
        super().__init__()
        self.run_id = run_id
        self.processes = processes


class HostRead(Message):
    """The host of a site was looked at."""

    def __init__(self, view: HostView, site: str = "") -> None:
        super().__init__()
        self.view = view
        self.site = site


class FilesChanged(Message):
    """Files of live runs changed."""

    def __init__(self, paths: frozenset[str]) -> None:
        super().__init__()
        self.paths = paths


class ReadFailed(Message):
    """The home or a run could not be read; `words` say what and what to do."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words
