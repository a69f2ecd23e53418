"""Videos of episodes that several runs film into one folder, and of runs that were killed meanwhile."""

import os
from pathlib import Path

import numpy as np
import pytest
from vlatrain.configuration.simulation import Videos
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.videos import LEFT_BEHIND_S, Films, sweep

ONE = Episode(task=0, trial=0)
DONE = Outcome(success=True, steps=2)
PICTURE = np.zeros((32, 32, 3), np.uint8)


@pytest.fixture(autouse=True)
def av() -> None:
    pytest.importorskip("av")


def films(folder: Path, task: str) -> Films:
    return Films(folder, (task,), Videos.ALL, lambda task, success: True)


def filmed_together(all_films: list[Films], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same episode, picture by picture, each as a process of its own would film it."""
    own = os.getpid()
    for number in range(60):
        for other, ours in enumerate(all_films):
            monkeypatch.setattr(os, "getpid", lambda other=other: own + other)
            ours.see(ONE, PICTURE, is_start=number == 0)
    for ours in all_films:
        ours.end(ONE, DONE)


def test_runs_that_film_the_same_episode_at_once_keep_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = films(tmp_path / "today", "one"), films(tmp_path / "today", "two")
    filmed_together([first, second], monkeypatch)
    assert (first.remark, second.remark) == (None, None)
    assert len(first.kept) == len(second.kept) == 1
    assert sorted(tmp_path.rglob("*.mp4")) == sorted(map(Path, (*first.kept, *second.kept)))


def test_what_a_killed_run_left_behind_goes_after_a_day(tmp_path: Path) -> None:
    left, finished = tmp_path / "a" / ".0-0-host-1.mp4", tmp_path / "a" / "0.mp4"
    left.parent.mkdir()
    for path in (left, finished):
        path.touch()
    begun = left.stat().st_mtime
    sweep(tmp_path, begun + LEFT_BEHIND_S - 1)
    assert left.exists()
    sweep(tmp_path, begun + LEFT_BEHIND_S + 1)
    assert [path.name for path in left.parent.iterdir()] == ["0.mp4"]
