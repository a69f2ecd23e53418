"""Told to stop, or killed, while the micro-batches of a step are accumulated: the run ends as if it never had been."""

from typing import Any

import pytest
from training_runs import Run, Workshop, adapter, is_same, train_state, trainer_state
from vlad.records.progress import Step

SETTINGS: dict[str, Any] = {
    "grad_accumulation_steps": 3,
    "lora_dropout": 0.2,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 2,
    "max_grad_norm": 1.0,
    "max_steps": 4,
    "save_steps": 2,
}


@pytest.fixture(scope="module")
def never_stopped(shared_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    workshop = Workshop(shared_project / "base", shared_project / "datasets", tmp_path_factory.mktemp("whole"))
    run = workshop.run(**SETTINGS)
    assert run.train_here() == 0
    return run


def assert_same_end(one: Run, other: Run) -> None:
    assert is_same(adapter(one.latest), adapter(other.latest))
    assert is_same(trainer_state(one.latest), trainer_state(other.latest))
    assert train_state(one.latest) == train_state(other.latest)
    last = {line.step: (line.loss, line.metrics) for line in other.told(Step)}
    assert last == {line.step: (line.loss, line.metrics) for line in one.told(Step)}


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_a_stop_at_any_micro_batch_ends_with_its_step(never_stopped: Run, workshop: Workshop, micro_batch: int) -> None:
    run = workshop.run(**SETTINGS)
    assert run.train_here(VLAD_FAILPOINTS=f"micro_batch_3_{micro_batch}:term") == 0
    assert (run.finished.stopped, run.finished.step, run.saved_steps[-1]) == (True, 3, 3)
    assert run.train_here(*run.resume()) == 0
    assert_same_end(never_stopped, run)


def test_a_kill_at_a_micro_batch_repeats_what_was_not_saved(never_stopped: Run, workshop: Workshop) -> None:
    run = workshop.run(**SETTINGS)
    assert run.train_here(VLAD_FAILPOINTS="micro_batch_2_1:term") == 0
    assert run.train(*run.resume(), environment={"VLAD_FAILPOINTS": "micro_batch_4_2:kill"}) != 0
    assert run.saved_steps == [2]
    assert run.train_here(*run.resume()) == 0
    assert [line.step for line in run.told(Step)] == [1, 2, 3, 3, 4]
    assert_same_end(never_stopped, run)
