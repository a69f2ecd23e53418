"""A folder that wakes who waits for files in it."""

import select
from pathlib import Path

import pytest
from vlad.host.folder_watch import FolderWatch, watch


def is_woken(watched: FolderWatch) -> bool:
    return bool(select.select([watched.handle], [], [], 0)[0])


def test_a_file_that_takes_its_name_wakes_once_for_all_that_came(tmp_path: Path) -> None:
    watched = FolderWatch(tmp_path)
    assert not is_woken(watched)
    for name in ("a", "b"):
        (tmp_path / f".{name}.tmp").touch()
        assert is_woken(watched) is (name == "b")
        (tmp_path / f".{name}.tmp").rename(tmp_path / name)
        assert is_woken(watched)
    watched.forget()
    assert not is_woken(watched)
    watched.forget()
    watched.close()


def test_what_cannot_be_watched_raises_and_holds_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("missing", "file", "link"):
        with pytest.raises(OSError, match=name):
            FolderWatch(tmp_path / name)
        assert watch(tmp_path / name) is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
