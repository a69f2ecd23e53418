"""Locks that death frees."""

import os
from pathlib import Path

from patience import until
from vlad.supervise import locks


def test_a_lock_excludes_others_until_it_is_closed(tmp_path: Path) -> None:
    first, second = locks.open_lock(tmp_path / "lock"), locks.open_lock(tmp_path / "lock")
    assert locks.try_lock(first)
    assert locks.try_lock(first)
    assert not locks.lock_within(second, 0.05)
    os.close(first)
    assert locks.lock_within(second, 0.05)


def test_asking_creates_nothing_and_holds_nothing(tmp_path: Path) -> None:
    assert not locks.is_locked(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()
    handle = locks.open_lock(tmp_path / "lock")
    assert not locks.is_locked(tmp_path / "lock")
    assert locks.try_lock(handle)
    assert locks.is_locked(tmp_path / "lock")


def test_a_lock_shared_with_a_child_is_held_by_whoever_lives(tmp_path: Path) -> None:
    handle = locks.open_lock(tmp_path / "lock")
    assert locks.try_lock(handle)
    child = os.fork()
    if child == 0:
        try:
            until((tmp_path / "go").exists, "go")
        finally:
            os._exit(0)
    os.close(handle)
    assert not locks.free_within(tmp_path / "lock", 0.05)
    (tmp_path / "go").touch()
    assert locks.free_within(tmp_path / "lock", 30)
    os.waitpid(child, 0)
