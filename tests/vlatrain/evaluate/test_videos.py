"""Videos of episodes that several runs film into one folder, and of runs that were killed meanwhile."""

from pathlib import Path

import numpy as np
import pytest
from vlatrain.configuration.simulation import Videos
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.videos import LEFT_BEHIND_S, Films, sweep

ONE, TWO = Episode(task=0, trial=0), Episode(task=0, trial=1)
DONE = Outcome(success=True, steps=2)
PICTURE = np.zeros((32, 32, 3), np.uint8)


@pytest.fixture(autouse=True)
def needs_av() -> None:
    pytest.importorskip("av")


def films(folder: Path, task: str, process: int = 1) -> Films:
    return Films(folder, (task,), Videos.ALL, lambda task, success: True, process)


def filmed_together(all_films: list[Films]) -> None:
    """The same episode, picture by picture, each as a process of its own would film it."""
    for number in range(60):
        for ours in all_films:
            ours.see(ONE, PICTURE, is_start=number == 0)
    for ours in all_films:
        ours.end(ONE, DONE)
        ours.close()


def test_runs_that_film_the_same_episode_at_once_keep_both(tmp_path: Path) -> None:
    first, second = films(tmp_path / "today", "one"), films(tmp_path / "today", "two", process=2)
    filmed_together([first, second])
    assert (first.remark, second.remark) == (None, None)
    assert len(first.kept) == len(second.kept) == 1
    assert sorted(tmp_path.rglob("*.mp4")) == sorted(map(Path, (*first.kept, *second.kept)))


def test_pictures_may_be_drawn_over_once_they_are_handed_in(tmp_path: Path) -> None:
    ours, lent = films(tmp_path, "one"), PICTURE.copy()
    for number in range(40):
        lent[:] = 0
        ours.see(ONE, lent, is_start=number == 0)
        lent[:] = 255
    ours.end(ONE, DONE)
    ours.close()
    [kept] = ours.kept
    import av

    with av.open(kept) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 40
    assert max(frame.mean() for frame in frames) < 10


def test_what_fails_beside_the_rollout_is_raised_at_the_end(tmp_path: Path) -> None:
    def is_first(task: int, success: bool) -> bool:
        raise ArithmeticError("no such count")

    ours = Films(tmp_path, ("one",), Videos.FIRST, is_first)
    ours.see(ONE, PICTURE, is_start=True)
    ours.see(TWO, PICTURE, is_start=True)
    ours.end(ONE, DONE)
    with pytest.raises(ArithmeticError, match="no such count"):
        ours.close()
    assert not list(tmp_path.glob(f".{TWO.task}-{TWO.trial}-*"))


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
