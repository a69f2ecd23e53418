"""Runs of this host that nobody looks after any more, because their keeper and supervisor were killed together."""

import os
import threading
from collections.abc import Iterable

from vlad.host.lock_files import is_locked
from vlad.records.run import RunRecord
from vlad.records.rundir import Home


class OrphanWatch:
    """Looks again and again, from any thread.

    A run is told when two looks have found it so, and once until somebody looks after it.
    """

    def __init__(self, home: Home, host: str | None = None) -> None:
        self._home = home
        self._host = os.uname().nodename if host is None else host
        self._loose: frozenset[str] = frozenset()
        self._told: frozenset[str] = frozenset()
        self._looking = threading.Lock()

    def look(self, records: Iterable[RunRecord]) -> frozenset[str]:
        """The ids of those of these runs that are to be adopted now. Raises OSError."""
        with self._looking:
            loose = frozenset(record.run_id for record in records if self._is_loose(record))
            found = (loose & self._loose) - self._told
            self._told, self._loose = (self._told & loose) | found, loose
        return found

    def _is_loose(self, record: RunRecord) -> bool:
        is_ours = not record.state.is_final and record.host == self._host
        return is_ours and not is_locked(self._home.run(record.run_id).keeper_lock)
