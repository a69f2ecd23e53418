"""Tells when a home changed: by the kernel's notices where the file system gives them, by polling elsewhere."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vlad.records.rundir import Home

if TYPE_CHECKING:
    from watchfiles import Change

GATHER_MS = 100
STEP_MS = 25
LOOK_ANYWAY_MS = 5_000
POLL_MS = 500
NOT_NOTIFYING = ("nfs", "cifs", "smb", "fuse", "9p", "lustre", "gpfs", "beegfs", "ceph", "afs")


def needs_polling(path: Path, mount_table: str) -> bool:
    """Whether `path` lies on a file system that tells this host nothing about changes made elsewhere.

    `mount_table` is the text of /proc/self/mountinfo.
    """
    best, kind = "", ""
    for line in mount_table.splitlines():
        fields, _, source = line.partition(" - ")
        mounted = fields.split(" ")[4].replace("\\040", " ") if fields.count(" ") >= 4 else ""
        if mounted and len(mounted) >= len(best) and path.is_relative_to(mounted):
            best, kind = mounted, source.split(" ")[0]
    return kind.startswith(NOT_NOTIFYING)


def is_polled(home: Home) -> bool:
    try:
        return needs_polling(home.path, Path("/proc/self/mountinfo").read_text())
    except OSError:
        return True


class HomeWatch:
    """Calls `changed` with the paths that changed, or with nothing every five seconds just in case.

    Watched are the links of live runs and the folders they lead to, so that the history costs nothing.
    """

    def __init__(self, home: Home, changed: Callable[[frozenset[str]], None], *, polling: bool) -> None:
        self._home = home
        self._changed = changed
        self._polling = polling
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Watches until `stop` is called; blocks."""
        while not self._stop.is_set():
            live = self._home.live_ids()
            if not self._home.live.is_dir():
                self._stop.wait(1.0)
                self._changed(frozenset())
                continue
            self._watch_while(live)

    def _watch_while(self, live: list[str]) -> None:
        """Watches as long as the same runs are live."""
        from watchfiles import watch  # 7 ms, in the watching thread

        folders = [self._home.live, *(self._home.runs / run_id for run_id in live)]
        changes = watch(
            *(folder for folder in folders if folder.is_dir()), watch_filter=_matters, debounce=GATHER_MS, step=STEP_MS,
            stop_event=self._stop, rust_timeout=LOOK_ANYWAY_MS, yield_on_timeout=True, raise_interrupt=False,
            force_polling=self._polling, poll_delay_ms=POLL_MS, ignore_permission_denied=True,
        )  # fmt: skip
        try:
            for found in changes:
                self._changed(frozenset(path for _, path in found))
                if self._home.live_ids() != live:
                    return
        except (OSError, RuntimeError):
            self._polling = True  # out of inotify watches: the kernel's bound is per user, polling has none
            self._stop.wait(POLL_MS / 1000)


def _matters(change: "Change", path: str) -> bool:
    """Files written aside before a rename say nothing."""
    return not path.endswith(".new")
