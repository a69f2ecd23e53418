"""LIBERO itself, where a Python has it (`make libero`): the published loop bit by bit, a policy, the expert."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from patience import until
from plan_playing import Played
from plan_playing import played as played_in
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data import jpeg
from vlatrain.data.hdf5_states import bodies_of
from vlatrain.data.jpeg import decoded
from vlatrain.distributed import Board, Ranks
from vlatrain.evaluate.evaluation import evaluate
from vlatrain.evaluate.libero import WAIT_STEPS, LiberoSuite
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.venue import Observation
from vlatrain.sim.finding import FoundLibero, found_libero
from vlatrain.sim.pool import Pool
from vlatrain.sim.protocol import Layout, Message
from vlatrain.sim.workers import SimulatorError, WorkerProgram

pytestmark = pytest.mark.xdist_group("libero")  # one after the other: each takes a core whole
PUBLISHED_LOOP = Path(__file__).parents[1] / "materials" / "published_libero_loop.py"
SUBSTEPS = Path(__file__).parents[3] / "benchmarks" / "libero_substeps.py"
SUITE, STEPS = "libero_spatial", 3


@pytest.fixture(scope="module")
def libero() -> FoundLibero:
    try:
        return found_libero(None)
    except SimulatorError as error:
        pytest.skip(f"no LIBERO: {error}")


def answer(pool: Pool, request: Message, place: int = 0) -> Message:
    pool.ask(place, request)
    while True:
        for event in pool.events(10.0):
            assert event.answer is not None, event.lost
            return event.answer


@pytest.mark.parametrize(("suite", "task"), [("libero_spatial", 4), ("libero_object", 0)])
def test_any_trial_is_the_published_loops_own_bit_by_bit(
    libero: FoundLibero, tmp_path: Path, suite: str, task: int
) -> None:
    """The second trial of the published serial loop, played here alone, and once more where others were played before.

    The published loop loads its scene anew in every reset; a worker puts the loaded one back. One task has a drawer,
    whose opening is drawn once more in every reset, the other objects that press on each other when they are loaded.
    """
    file = tmp_path / "published.json"
    words = [suite, str(task), "2", str(STEPS), str(file)]
    subprocess.run([libero.python, str(PUBLISHED_LOOP), *words], check=True, capture_output=True)
    published = json.loads(file.read_text())[1]
    with Pool(WorkerProgram(argv=libero.argv, layout=Layout(1, 2, 256)), 1) as pool:
        trial = {"do": "start", "suite": suite, "task": task, "wait_steps": 10}
        first = played(pool, {**trial, "trial": 1})
        played(pool, {**trial, "trial": 2})
        demonstration = {"do": "demonstrate", "suite": suite, "task": task, "seed": 1000, "shaky": True, "limit": 5}
        answer(pool, {**demonstration, "pictures": False})
        again = played(pool, {**trial, "trial": 1})
    assert first == published
    assert again == published


def played(pool: Pool, trial: Message) -> list[list[str]]:
    """What is seen at the start of a trial and behind each of its drawn actions."""
    answer(pool, trial)
    seen = [told(pool)]
    draws = np.random.RandomState(1)
    for _ in range(STEPS):
        answer(pool, {"do": "act", "plan": [draws.uniform(-1, 1, 7).tolist()], "followed": False})
        seen.append(told(pool))
    return seen


def told(pool: Pool, place: int = 0) -> list[str]:
    """Both pictures and the hand's state, as fingerprints."""
    frames = pool[place].frames
    parts: list[NDArray[np.generic]] = [frames.images[0, 0], frames.images[0, 1], frames.states[0]]
    return [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in parts]


def test_what_one_worker_compiled_the_others_read_and_it_is_the_same(
    libero: FoundLibero, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MuJoCo complains of what it cannot read
    program = WorkerProgram(argv=libero.argv, layout=Layout(1, 2, 64), shared_scenes=1)
    trial = {"do": "start", "suite": SUITE, "task": 0, "trial": 1, "wait_steps": 10}
    with Pool(program, 3) as pool:
        seen = []
        for place in (0, 1):
            answer(pool, trial, place)
            seen.append(told(pool, place))
        assert seen[0] == seen[1]
        catalogue, scene = pool.shelf
        assert os.fstat(catalogue).st_size == 33
        os.pwrite(scene, bytes(64), 0)
        pool.ask(2, trial)
        lost = until(lambda: pool.events(1.0), "the third reads what is no scene any more")[0]
        assert lost.place == 2
        assert lost.answer is None


def test_physics_that_is_computed_once_is_robosuites_own_bit_by_bit(libero: FoundLibero) -> None:
    done = subprocess.run([libero.python, str(SUBSTEPS), f"{SUITE}:6"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("; equal")


def test_pictures_of_evaluations_are_as_stored_and_those_of_demonstrations_as_seen(
    libero: FoundLibero, monkeypatch: pytest.MonkeyPatch
) -> None:
    if libero.jpeg != jpeg.pass_mark():
        monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert libero.jpeg == jpeg.pass_mark()
    task = {"suite": SUITE, "task": 0, "trial": 0, "wait_steps": 10}
    trials = [{"do": "start", **task, "stored": stored} for stored in (False, True)]
    demonstration = {"do": "demonstrate", **task, "seed": 0, "shaky": False, "limit": 2, "pictures": True}
    with Pool(WorkerProgram(argv=libero.argv, layout=Layout(2, 2, 256)), 1) as pool:
        played(pool, trials[0])
        acted_raw = pool[0].frames.images[0].copy()
        played(pool, trials[1])
        acted_stored = pool[0].frames.images[0].copy()
        answer(pool, trials[0])
        raw = pool[0].frames.images[0].copy()
        answer(pool, trials[1])
        stored = pool[0].frames.images[0].copy()
        answer(pool, demonstration)
        shown = pool[0].frames.images[0].copy()
    for before, after in ((raw, stored), (acted_raw, acted_stored)):
        assert np.array_equal(np.stack([jpeg.jpeg_pass(picture) for picture in before]), after)
    assert not np.array_equal(raw, stored)
    assert np.array_equal(shown, raw)


def test_a_plan_is_its_actions_one_by_one_bit_by_bit(libero: FoundLibero) -> None:
    """The expert's actions in a benchmark state, until the task is done within a plan or the step limit is reached."""
    size, episode = 8, Episode(task=2, trial=1)
    config = FinetuneConfig(sim_python=libero.python, sim_workers=1, use_wrist_image=True)
    suite = open_suite(config, SUITE)
    assert isinstance(suite, LiberoSuite)
    suite = replace(suite, program=replace(suite.program, layout=Layout(suite.max_steps, 2, 64)))
    with closing(suite.open(1, 1)) as venue:
        scene = {"suite": SUITE, "task": episode.task, "trial": episode.trial, "seed": 0, "wait_steps": WAIT_STEPS}
        style = {"shaky": False, "limit": suite.max_steps, "pictures": False}
        steps = answer(venue.pool, {"do": "demonstrate", **scene, **style})["frames"]
        expert = venue.pool[0].frames.actions[:steps].copy()
        further = np.concatenate([expert, np.ones((size, 7))])
        alone = played_in(venue, episode, further, 1)
        assert alone.outcome == Outcome(success=True, steps=steps)
        assert steps % size > 1
        assert len(set(alone.seen)) == steps
        assert played_in(venue, episode, further, size) == Played(alone.seen[::size], alone.outcome)
        venue.suite = replace(suite, max_steps=size + 3)
        cut = Played(alone.seen[: size + 3], Outcome(success=False, steps=size + 3))
        assert played_in(venue, episode, further, size, is_followed=True) == cut


def still(observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
    """A policy that does nothing."""
    assert all(one.image.shape == (256, 256, 3) and one.image.std() > 10 for one in observations)
    return np.tile([0.0, 0, 0, 0, 0, 0, -1], (len(observations), 1))


def test_a_policy_is_evaluated_and_the_simulator_told(libero: FoundLibero, tmp_path: Path) -> None:
    config = FinetuneConfig(sim_python=libero.python, eval_max_steps=3, sim_workers=2, eval_batch_size=2)
    suite = open_suite(config, SUITE)
    assert isinstance(suite, LiberoSuite)
    assert len(suite.instructions) == 10
    ranks = Ranks()
    result = evaluate(
        still,
        replace(suite, instructions=suite.instructions[:1]),
        trials=2,
        batch_size=2,
        ranks=ranks,
        board=Board(ranks, "evaluation"),
        wants_stop=lambda: False,
        progress=lambda done, total: None,
    )
    assert result is not None
    assert (result.successes, result.episodes, result.failure, result.repeats) == (0, 2, None, 0)
    assert [outcome.steps for outcome in result.outcomes] == [3, 3]
    assert "mujoco" in result.versions


def test_the_expert_succeeds_in_a_fresh_scene_whose_states_are_rendered(libero: FoundLibero, tmp_path: Path) -> None:
    scene = tmp_path / "scene.xml"
    with Pool(WorkerProgram(argv=libero.argv, layout=Layout(220, 1, 256, 128)), 1) as pool:
        request = {"do": "demonstrate", "suite": SUITE, "task": 0, "seed": 2000, "model_file": str(scene)}
        found = answer(pool, {**request, "shaky": False, "limit": 220, "pictures": False})
        assert (found["success"], found["reason"]) == (True, "")
        assert 40 < found["frames"] < 150
        frames = pool[0].frames
        actions = frames.actions[: found["frames"]]
        assert np.abs(actions[:, :6]).max() <= 1
        assert set(actions[:, 6]) == {-1.0, 1.0}

        bodies, seen = bodies_of(scene.read_text()), frames.states[:1].copy()
        request = {"do": "render", "suite": SUITE, "task": 0, "frames": 1, "coordinates": found["coordinates"]}
        answer(pool, {**request, "bodies": bodies, "jpeg_quality": 95})
        np.testing.assert_allclose(frames.states[:1], seen, atol=1e-6)
        picture = decoded(frames.file(0, 0)).astype(int)
        bodies["flat_stove_1_main"][0][0] += 0.1
        answer(pool, {**request, "bodies": bodies, "jpeg_quality": 95})
        assert np.abs(decoded(frames.file(0, 0)) - picture).max() > 50, "the stove stands elsewhere"
        assert picture.std() > 10
        refused = answer(pool, {**request, "coordinates": 50, "bodies": {}, "jpeg_quality": 95})
        assert refused["unfit"] == f"states have 50 coordinates; this task has {found['coordinates']}"
