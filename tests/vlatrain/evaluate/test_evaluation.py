"""vlatrain.evaluate on simulators that are processes: lost ones cost time, never an episode; failures are results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import fake_simulator
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.simulation import Videos
from vlatrain.distributed import Board, Ranks
from vlatrain.errors import TrainerError
from vlatrain.evaluate.evaluation import Shrinking, evaluate
from vlatrain.evaluate.policy import as_stored
from vlatrain.evaluate.results import EvaluationResult, log_lines
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.venue import EvaluationError, Observation

EPISODES = 3 * 2
SUCCESSES = 3  # of the even trials


@dataclass(slots=True)
class Policy:
    """Stands still, for `chunk` steps an answer; remembers what it saw and how much at a time.

    Batches above `memory` do not fit.
    """

    memory: int = 100
    chunk: int = 1
    sizes: list[int] = field(default_factory=list)
    seen: list[Observation] = field(default_factory=list)

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        if len(observations) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee more")
        assert [fake_simulator.INSTRUCTIONS[one.image[0, 0, 0] // 10] for one in observations] == list(instructions)
        self.sizes.append(len(observations))
        self.seen += [
            one._replace(image=one.image.copy(), wrist=None if one.wrist is None else one.wrist.copy())
            for one in observations
        ]
        return np.zeros((len(observations), self.chunk, 7))


def evaluated(
    tmp_path: Path,
    policy: Policy,
    *,
    trials: int = 2,
    videos: Videos = Videos.NONE,
    on_task: Callable[[int, int], None] = lambda task, successes: None,
    **settings: object,
) -> EvaluationResult:
    python = str(fake_simulator.fake_python(tmp_path))
    config = FinetuneConfig(sim_python=python, eval_batch_size=4, **{"eval_max_steps": 5, "sim_workers": 2, **settings})  # type: ignore[arg-type]
    ranks = Ranks()
    result = evaluate(
        policy,
        open_suite(config, "libero_spatial"),
        trials=trials,
        batch_size=config.eval_batch_size,
        ranks=ranks,
        board=Board(ranks, "evaluation"),
        wants_stop=lambda: False,
        progress=lambda done, total: None,
        on_task=on_task,
        videos=videos,
        video_folder=tmp_path / "videos",
    )
    assert result is not None
    return result


def test_every_episode_is_played_to_success_or_the_step_limit(tmp_path: Path, faults: Path) -> None:
    policy = Policy()
    result = evaluated(tmp_path, policy)
    assert list(result.by_task()) == [(task, 1, 2) for task in fake_simulator.INSTRUCTIONS]
    assert [outcome.steps for outcome in result.outcomes] == [3, 5] * 3
    assert result.versions == fake_simulator.VERSIONS
    assert (result.failure, result.unplayed, result.repeats) == (None, None, 0)
    assert {one.image.shape for one in policy.seen} == {(256, 256, 3)}
    assert all(one.wrist is None and one.state is not None for one in policy.seen)
    assert max(policy.sizes) <= 2
    assert "Simulator: mujoco 2.3.7, fake 1" in list(log_lines(result))


def test_success_and_the_step_limit_hold_within_a_plan_and_the_policy_sees_its_end(
    tmp_path: Path, faults: Path
) -> None:
    (faults / "crash-1-1-5").touch()
    policy = Policy(chunk=4)
    result = evaluated(tmp_path, policy, eval_max_steps=6, action_chunk=4, executed_actions=4)
    assert [(outcome.success, outcome.steps) for outcome in result.outcomes] == [(True, 3), (False, 6)] * 3
    assert result.repeats == 1
    states = [int(one.state[0]) for one in policy.seen if one.state is not None]
    assert sorted(states) == [0] * (EPISODES + 1) + [4] * (EPISODES - SUCCESSES + 1)


def test_some_tasks_of_a_suite_are_played_and_the_result_says_so(tmp_path: Path, faults: Path) -> None:
    (faults / "always-crash-1-0-1").touch()
    policy = Policy()
    result = evaluated(tmp_path, policy, eval_tasks=(2, 0))
    green = fake_simulator.INSTRUCTIONS[1]
    assert list(result.by_task()) == [(task, 1, 2) for task in fake_simulator.INSTRUCTIONS if task != green]
    assert (result.suite, result.repeats) == ("libero_spatial_tasks_0_2", 0)
    with pytest.raises(TrainerError, match="eval_tasks 3: libero_spatial has tasks 0 to 2"):
        evaluated(tmp_path, policy, eval_tasks=(0, 3))


def test_the_wrist_camera_is_seen_where_it_is_an_input(tmp_path: Path, faults: Path) -> None:
    policy = Policy()
    evaluated(tmp_path, policy, trials=1, use_wrist_image=True)
    assert all(one.wrist is not None and one.wrist.shape == (256, 256, 3) for one in policy.seen)


def pictures_of(policy: Policy) -> set[tuple[bytes, bytes]]:
    """Whatever it saw as its model is shown it."""
    stored = [as_stored(one) for one in policy.seen]
    return {(one.image.tobytes(), b"" if one.wrist is None else one.wrist.tobytes()) for one in stored}


@pytest.mark.parametrize("wrist", [False, True], ids=["one camera", "both cameras"])
def test_simulators_that_can_pass_pictures_through_the_jpeg_and_nothing_else_changes(
    tmp_path: Path, faults: Path, wrist: bool
) -> None:
    there, here = Policy(), Policy()
    evaluated(tmp_path, there, use_wrist_image=wrist)
    (faults / "always-pillow").touch()
    evaluated(tmp_path, here, use_wrist_image=wrist)
    assert {one.is_stored for one in there.seen} == {True}
    assert {one.is_stored for one in here.seen} == {False}
    assert pictures_of(there) == pictures_of(here)
    assert {one.image.tobytes() for one in there.seen}.isdisjoint(one.image.tobytes() for one in here.seen)


def test_an_episode_whose_simulator_crashes_is_played_again_and_counted(tmp_path: Path, faults: Path) -> None:
    (faults / "crash-1-0-2").touch()
    (faults / "crash-0-1-0").touch()
    result = evaluated(tmp_path, Policy())
    assert (result.successes, result.episodes, result.repeats) == (SUCCESSES, EPISODES, 2)
    assert [outcome.repeats for outcome in result.outcomes] == [0, 1, 1, 0, 0, 0]
    assert result.outcomes[2].steps == 3
    assert "Episodes begun anew because a simulator was lost: 2" in list(log_lines(result))
    assert result.lost == "simulators were lost and replaced; episodes begun anew: 2"


def test_an_episode_that_always_crashes_is_given_up_with_the_reason(tmp_path: Path, faults: Path) -> None:
    (faults / "always-crash-2-1-1").touch()
    result = evaluated(tmp_path, Policy())
    assert (result.successes, result.episodes) == (SUCCESSES, EPISODES - 1)
    assert result.unplayed is not None
    assert result.unplayed.startswith("1 of 6 episodes could not be played: simulator crashed: Segmentation fault")
    assert result.failure == result.unplayed  # too large a part of so few
    lines = list(log_lines(result))
    assert sum(line.startswith("Success: ") for line in lines) == EPISODES - 1
    assert sum(line.startswith("Caught exception: simulator crashed") for line in lines) == 1


def test_simulators_that_do_not_start_are_a_result_with_the_reason(tmp_path: Path, faults: Path) -> None:
    (faults / "always-dumb").touch()
    result = evaluated(tmp_path, Policy())
    assert result.episodes == 0
    assert result.interval == (0.0, 100.0)
    assert result.failure is not None
    assert "simulators do not start: crashed: ModuleNotFoundError: no module named robosuite" in result.failure


def test_a_wrong_simulator_is_refused_before_anything_is_loaded(tmp_path: Path, faults: Path) -> None:
    (faults / "always-refuse").touch()
    config = FinetuneConfig(sim_python=str(fake_simulator.fake_python(tmp_path)))
    with pytest.raises(TrainerError, match=r"mujoco 3\.17\.0") as refusal:
        open_suite(config, "libero_spatial")
    assert "\n" not in str(refusal.value)


def test_batches_shrink_when_the_gpu_is_full_and_the_evaluation_goes_on(tmp_path: Path, faults: Path) -> None:
    policy = Policy(memory=1)
    result = evaluated(tmp_path, policy, deterministic=True)
    assert (result.successes, result.episodes) == (SUCCESSES, EPISODES)
    assert set(policy.sizes) == {1}


def test_a_single_episode_that_does_not_fit_fails_the_evaluation(tmp_path: Path, faults: Path) -> None:
    result = evaluated(tmp_path, Policy(memory=0))
    assert result.failure is not None
    assert result.failure.endswith("out of GPU memory with a single episode: CUDA out of memory. "
                                   "Tried to allocate 2.00 GiB.")  # fmt: skip


def test_shrinking_halves_until_it_fits_and_tells() -> None:
    policy = Policy(memory=3)
    shrinking = Shrinking(policy, 16)
    observation = Observation(np.zeros((1, 1, 3), np.uint8))
    actions = shrinking([observation] * 10, [fake_simulator.INSTRUCTIONS[0]] * 10)
    assert len(actions) == 10
    assert policy.sizes == [2] * 5
    assert shrinking.remark is not None
    with pytest.raises(EvaluationError, match="single episode"):
        Shrinking(Policy(memory=0), 2)([observation], [fake_simulator.INSTRUCTIONS[0]])


def test_the_first_failure_and_the_first_success_of_a_task_are_kept_as_videos(tmp_path: Path, faults: Path) -> None:
    result = evaluated(tmp_path, Policy(), trials=4, videos=Videos.FIRST)
    kept = sorted(path.name for path in (tmp_path / "videos").iterdir())
    assert len(kept) == len(result.videos) == 6
    assert sum("--success=True--task=open_the_drawer" in name for name in kept) == 1
    assert sum("--success=False--" in name for name in kept) == 3
    assert all(Path(video).stat().st_size > 500 for video in result.videos)


def frames_of(folder: Path) -> dict[str, list[bytes]]:
    """The pictures of each video in the folder, by its name without the time."""
    import av

    found = {}
    for path in (folder / "videos").iterdir():
        with av.open(str(path)) as container:
            found[path.name.partition("--")[2]] = [one.to_ndarray().tobytes() for one in container.decode(video=0)]
    return found


def test_videos_show_every_step_of_a_plan(tmp_path: Path, faults: Path) -> None:
    pytest.importorskip("av")
    for chunk, folder in ((1, tmp_path / "one by one"), (4, tmp_path / "planned")):
        folder.mkdir()
        policy, videos = Policy(chunk=chunk), Videos.ALL
        evaluated(folder, policy, videos=videos, eval_max_steps=6, action_chunk=chunk, executed_actions=chunk)
    alone, planned = frames_of(tmp_path / "one by one"), frames_of(tmp_path / "planned")
    assert sorted(map(len, alone.values())) == [3] * 3 + [6] * 3
    assert alone == planned


def test_videos_without_an_encoder_are_a_remark(tmp_path: Path, faults: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    result = evaluated(tmp_path, Policy(), trials=1, videos=Videos.FIRST)
    assert (result.videos, result.failure) == ((), None)
    assert any("pip install av" in remark for remark in result.remarks)


def test_tasks_are_told_as_soon_as_their_episodes_are_played(tmp_path: Path, faults: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluated(tmp_path, Policy(), on_task=lambda task, successes: told.append((task, successes)))
    assert sorted(told) == [(0, 1), (1, 1), (2, 1)]
