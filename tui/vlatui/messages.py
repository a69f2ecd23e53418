"""What threads tell the screen: small frozen facts, never widgets, never file handles."""

from textual.message import Message

from vlatui.detail import RunDetail
from vlatui.neighbours import HostView
from vlatui.processes import RunProcess
from vlatui.snapshot import HomeView


class HomeRead(Message):
    """The home was looked at."""

    def __init__(self, view: HomeView) -> None:
        super().__init__()
        self.view = view


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
    """The host was looked at."""

    def __init__(self, view: HostView) -> None:
        super().__init__()
        self.view = view


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


class ActionDone(Message):
    """What was asked for was done (or asked of the run); `run_id` where one run is concerned."""

    def __init__(self, words: str, run_id: str | None = None) -> None:
        super().__init__()
        self.words = words
        self.run_id = run_id


class ActionFailed(Message):
    """What was asked for could not be done; `words` say why."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words
