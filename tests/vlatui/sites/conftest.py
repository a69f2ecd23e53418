"""Fixtures of the tests with other hosts."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_runs import FakeRun, training_run
from other_hosts import RealSshd, why_no_sshd
from vlad.records.rundir import Home
from vlad.supervise import locks

Sshd = Callable[..., RealSshd]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def there(tmp_path: Path) -> Home:
    return Home(tmp_path / "there").prepare()


@pytest.fixture
def train_in() -> Iterator[Callable[[Home], FakeRun]]:
    """Makes a run that trains, as far as its files tell.

    The lock of its keeper is held: the real vlad there starts no guard, which would take the requests away.
    """
    guards: list[int] = []

    def make(home: Home) -> FakeRun:
        run = training_run(home)
        guards.append(locks.open_lock(run.directory.keeper_lock))
        assert locks.try_lock(guards[-1])
        return run

    yield make
    for guard in guards:
        os.close(guard)


@pytest.fixture
def remote_run(there: Home, train_in: Callable[[Home], FakeRun]) -> FakeRun:
    return train_in(there)


@pytest.fixture
def start_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """Starts an sshd whose users have this home of runs, and these variables."""
    if words := why_no_sshd():
        pytest.skip(words)
    started: list[RealSshd] = []

    def start(home: Home, **variables: str) -> RealSshd:
        started.append(RealSshd(tmp_path / f"sshd{len(started)}", home, **variables))
        return started[-1]

    yield start
    for running in started:
        running.close()
