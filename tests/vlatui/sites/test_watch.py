"""Watching: changes are told, by notices and by polling, and stopping stops."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_runs import FakeRun, training_run
from patience import PATIENCE_S, until_ended
from vlad.records.rundir import Home
from vlatui.sites.watch import HomeWatch, needs_polling

MOUNTS = """\
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /home rw shared:2 - nfs4 server:/home rw
31 30 0:31 / /home/ada/fast rw shared:3 - xfs /dev/sdb1 rw
32 22 0:32 / /mnt/with\\040space rw shared:4 - fuse.sshfs host:/x rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/vlad", False),
        ("/home/ada/.local/state/vlad", True),
        ("/home/ada/fast/vlad", False),
        ("/homeless/vlad", False),
        ("/mnt/with space/vlad", True),
    ],
)
def test_network_file_systems_are_polled(path: str, expected: bool) -> None:
    assert needs_polling(Path(path), MOUNTS) is expected


@contextmanager
def watching(home: Home, *, polling: bool) -> Iterator[Callable[[str], None]]:
    """Watches `home`; gives a function that waits until a change of a path ending so was told."""
    told: queue.SimpleQueue[frozenset[str]] = queue.SimpleQueue()
    watch = HomeWatch(home, told.put, polling=polling)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()

    def until_told(ending: str) -> None:
        while not any(path.endswith(ending) for path in told.get(timeout=PATIENCE_S)):
            pass

    yield until_told
    watch.stop()
    until_ended(thread)


@pytest.mark.parametrize("polling", [False, True], ids=["notices", "polling"])
def test_a_written_file_of_a_live_run_is_told(home: Home, polling: bool) -> None:
    home.prepare()
    run = training_run(home)
    with watching(home, polling=polling) as until_told:
        stop = threading.Event()

        def keep_writing() -> None:
            """The watch starts at some time: what is written before it is not told."""
            while not stop.wait(0.05):
                run.log(b"more\n")

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            until_told("console.log")
        finally:
            stop.set()
            writer.join()


def test_a_run_that_becomes_live_while_watching_is_watched(home: Home) -> None:
    home.prepare()
    training_run(home)
    with watching(home, polling=False) as until_told:
        stop = threading.Event()
        second: list[FakeRun] = []

        def work() -> None:
            second.append(FakeRun(home, "20261122-1100-second-0002", age_s=1))
            while not stop.wait(0.05):
                second[0].log(b"more\n", attempt=7)

        writer = threading.Thread(target=work)
        writer.start()
        try:
            until_told("attempts/7/console.log")
        finally:
            stop.set()
            writer.join()


def test_a_home_that_does_not_exist_yet_is_waited_for(home: Home) -> None:
    with watching(home, polling=False) as until_told:
        home.prepare()
        stop = threading.Event()

        def work() -> None:
            run = training_run(home)
            while not stop.wait(0.05):
                run.log(b"more\n")

        writer = threading.Thread(target=work)
        writer.start()
        try:
            until_told("console.log")
        finally:
            stop.set()
            writer.join()
