"""Fixtures of runs that have a terminal."""

from collections.abc import Iterator

import msgspec
import pytest
from supervised_runs import Lab, Run
from terminal_views import Start, Watch, Watcher
from vlad.host.terminal_link import Frame
from vlad.records.spec import RestartPolicy
from vlad.supervise import detach


@pytest.fixture
def with_terminal(lab: Lab) -> Start:
    """Starts a command in a run with a terminal of its own."""

    def begin(*argv: str, restart: RestartPolicy | None = None) -> Run:
        run = lab.create(msgspec.structs.replace(lab.spec(*argv, restart=restart), has_terminal=True))
        detach.start(run.directory)
        return run

    return begin


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Attaches to such a run, until the end of the test."""
    watchers: list[Watcher] = []

    def begin(run: Run, kind: Frame = Frame.TYPE, rows: int = 30, columns: int = 90) -> Watcher:
        watchers.append(Watcher(run, kind, rows, columns))
        return watchers[-1]

    yield begin
    for watcher in watchers:
        watcher.connection.close()
