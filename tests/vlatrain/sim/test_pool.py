"""vlatrain.sim.pool: workers are processes; whatever becomes of them, every request is answered or told lost."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fake_simulator
import pytest
from patience import PATIENCE_S, until
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import SHELF, Layout
from vlatrain.sim.workers import SimulatorError, WorkerProgram

LAYOUT = Layout(8, 2, 4)
STARTED = {"is": "seen", "done": False, "steps": 0, "frames": 1}
SCENES = "memfd:vlatrain-scenes (deleted)"


def program(**patience_s: float) -> WorkerProgram:
    told = dict.fromkeys(("ready", "start", "act", "demonstrate"), PATIENCE_S) | patience_s
    return WorkerProgram(argv=(sys.executable, fake_simulator.__file__, "boot"), layout=LAYOUT, patience_s=told)


@pytest.fixture
def make_pool(faults: Path) -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def make(size: int, **patience_s: float) -> Pool:
        pools.append(Pool(program(**patience_s), size))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def start(task: int = 0, trial: int = 0) -> dict[str, object]:
    return {"do": "start", "suite": "libero_spatial", "task": task, "trial": trial, "wait_steps": 10}


def act(steps: int = 1, *, followed: bool = False) -> dict[str, object]:
    return {"do": "act", "plan": [[0.5] * 7] * steps, "followed": followed}


def next_event(pool: Pool) -> Event:
    return until(lambda: pool.events(1.0), "something happens to a worker")[0]


def test_a_worker_is_asked_before_it_is_ready_and_shows_pictures_in_shared_memory(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool(1)
    pool.ask(0, start(task=2))
    assert next_event(pool).answer == STARTED
    assert pool.versions == fake_simulator.VERSIONS
    assert (pool[0].frames.images[0] == 20).all()
    pool.ask(0, act())
    assert next_event(pool).answer == {"is": "seen", "done": False, "steps": 1, "frames": 1}
    assert (pool[0].frames.images[0] == 21).all()
    assert (pool[0].frames.states[0] == 1).all()


@pytest.mark.parametrize(
    ("trial", "plan", "followed", "steps", "frames"),
    [
        (1, 2, False, 2, [2]),
        (1, 5, True, 5, [1, 2, 3, 4, 5]),
        (0, 3, False, 3, [3]),
        (0, 5, False, 3, []),
        (0, 5, True, 3, [1, 2, 3]),
    ],
    ids=["last frame", "each frame", "done with the plan", "done within the plan", "done within a followed plan"],
)
def test_a_plan_is_executed_to_its_end_or_until_the_task_is_done(
    make_pool: Callable[..., Pool], trial: int, plan: int, followed: bool, steps: int, frames: list[int]
) -> None:
    pool = make_pool(1)
    pool.ask(0, start(trial=trial))
    next_event(pool)
    pool.ask(0, act(plan, followed=followed))
    told = {"is": "seen", "done": trial == 0, "steps": steps, "frames": len(frames)}
    assert next_event(pool).answer == told
    assert pool[0].frames.states[: len(frames), 0].tolist() == frames


@pytest.mark.parametrize("asked", [None, "4"])
def test_mesa_draws_in_a_worker_s_own_thread_unless_told_otherwise(
    make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    if asked:
        monkeypatch.setenv("LP_NUM_THREADS", asked)
    environment = Path(f"/proc/{make_pool(1)[0].pid}/environ")
    told = f"LP_NUM_THREADS={asked or 0}".encode()
    until(lambda: told in environment.read_bytes().split(b"\0"), "the environment of a worker")


def test_workers_answer_side_by_side(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(2)
    for place in (0, 1):
        pool.ask(place, start(task=place))
    assert {next_event(pool).place, next_event(pool).place} == {0, 1}
    assert [int(pool[place].frames.images[0, 0, 0, 0, 0]) for place in (0, 1)] == [0, 10]


def test_a_crashed_worker_is_told_with_its_last_words_and_replaced(
    make_pool: Callable[..., Pool], faults: Path
) -> None:
    (faults / "crash-0-0-0").touch()
    pool = make_pool(1)
    pool.ask(0, start())
    event = next_event(pool)
    assert event.answer is None
    assert event.lost == "crashed: Segmentation fault in the renderer (status 139)"
    pool.ask(0, start())
    assert next_event(pool).answer == STARTED
    assert pool.replaced == 1


def test_memories_that_workers_share_end_with_the_pool(faults: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Pool(replace(program(), shared_scenes=9), 2) as pool:
        assert len(pool.shelf) == 3
        pool.ask(0, start())
        shelf = f"{SHELF}={','.join(map(str, pool.shelf))}"
        assert next_event(pool).answer is not None
        assert shelf in Path(f"/proc/{pool[0].pid}/environ").read_text().split("\0")
        assert {Path(f"/proc/{pool[0].pid}/fd/{one}").readlink().name for one in pool.shelf} == {SCENES}
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_killed_worker_is_replaced(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(1)
    pool.ask(0, start())
    next_event(pool)
    os.kill(pool[0].pid, signal.SIGKILL)
    pool.ask(0, act())
    assert next_event(pool).lost == "crashed: without a word (signal 9)"


def test_a_hung_worker_is_given_up(make_pool: Callable[..., Pool], faults: Path) -> None:
    (faults / "hang-0-0-1").touch()
    pool = make_pool(1, act=0.2)
    pool.ask(0, start())
    next_event(pool)
    hung = pool[0].pid
    pool.ask(0, act())
    assert (next_event(pool).lost or "").startswith("hung: no answer to act for")
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)


def test_workers_that_refuse_are_not_tried_again(make_pool: Callable[..., Pool], faults: Path) -> None:
    (faults / "always-refuse").touch()
    pool = make_pool(1)
    with pytest.raises(SimulatorError, match=r"^mujoco 3\.17\.0"):
        next_event(pool)


def test_workers_that_never_get_ready_are_an_error_with_the_reason(
    make_pool: Callable[..., Pool], faults: Path
) -> None:
    (faults / "always-dumb").touch()
    pool = make_pool(1)
    assert [next_event(pool).answer for _ in range(2)] == [None, None]
    with pytest.raises(SimulatorError, match="simulators do not start: crashed: ModuleNotFoundError"):
        next_event(pool)


def test_a_program_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(SimulatorError, match="cannot be run"):
        Pool(WorkerProgram(argv=("/nonexistent/python",), layout=LAYOUT), 1)


def test_workers_end_with_the_pool_and_with_the_death_of_whoever_started_them(
    make_pool: Callable[..., Pool], faults: Path
) -> None:
    hangs = faults / "hang-0-0-0"
    hangs.touch()
    pool = make_pool(1)
    pool.ask(0, start())
    until(lambda: pool.events(0.1) or not hangs.exists(), "it is asked, and hangs")
    assert not hangs.exists()
    pid = pool[0].pid
    pool[0].channel.close()  # what a killed trainer leaves behind
    until(lambda: not pool[0].is_running, f"the end of worker {pid}")
