"""Stopped, killed and resumed: as if nothing had happened, to the last bit."""

from pathlib import Path
from typing import Any

import pytest
from training_runs import Run, Workshop, adapter, is_same, train_state, trainer_state
from vlatrain.data.batches import Batch, Batches
from vlatrain.data.order import indices_at, rank_positions

# everything that could differ after a resume: dropout, augmentation, accumulation, schedule, clipping, averages over
# several steps, evaluations without success that count towards an early stop
SETTINGS: dict[str, Any] = {
    "grad_accumulation_steps": 2,
    "lora_dropout": 0.2,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 3,
    "max_grad_norm": 1.0,
    "log_every_steps": 3,
    "save_steps": 4,
    "enable_periodic_eval": True,
    "eval_every_steps": 4,
    "early_stopping_enabled": True,
    "keep_checkpoints": 10,
}


RANKS = [
    pytest.param(1, id="1 rank", marks=pytest.mark.xdist_group("resume with 1 rank")),
    pytest.param(2, id="2 ranks", marks=pytest.mark.xdist_group("resume with 2 ranks")),
    pytest.param(4, id="4 ranks", marks=[pytest.mark.slow, pytest.mark.xdist_group("resume with 4 ranks")]),
]


def assert_same_end(one: Run, other: Run) -> None:
    """Parameters, optimizer, generators, averages, counters and everything that was logged."""
    assert is_same(adapter(one.latest), adapter(other.latest))
    assert is_same(trainer_state(one.latest), trainer_state(other.latest))
    assert train_state(one.latest) == train_state(other.latest)
    assert one.steps == other.steps
    assert evaluated(one) == evaluated(other)


def evaluated(run: Run) -> list[tuple[int, int, int | None, int]]:
    return [(seen.step, seen.successes, seen.best_step, seen.bad_evaluations) for seen in run.evaluations]


@pytest.fixture(scope="module", params=RANKS)
def ranks(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def never_stopped(ranks: int, shared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """12 steps in one go."""
    workshop = Workshop(shared_project / "base", shared_project / "datasets", tmp_path_factory.mktemp("whole"))
    run = workshop.run(**SETTINGS, max_steps=12)
    assert run.train(ranks=ranks) == 0, run.jobs[-1].output
    return run


def test_killed_restarted_told_to_stop_and_resumed(
    never_stopped: Run, ranks: int, workshop: Workshop, tmp_path: Path
) -> None:
    """Killed in an evaluation, before which the checkpoint was saved: the restarted run does it exactly once.

    Then SIGTERM reaches one rank, whichever is first, between two logged steps: all ranks stop at the same step.
    """
    run = workshop.run(**SETTINGS, max_steps=12)
    assert run.train(ranks=ranks, environment={"VLAD_FAILPOINTS": "in_evaluation:kill"}) != 0
    assert (run.saved_steps, run.evaluations) == ([4], [])

    once = tmp_path / "once"
    once.mkdir()
    stop_at_5 = {"VLAD_FAILPOINTS": "step_5:term", "VLAD_FAILPOINTS_ONCE": str(once)}
    assert run.train(*run.resume(), ranks=ranks, environment=stop_at_5) == 0, run.jobs[-1].output
    assert run.finished.stopped
    assert run.saved_steps[-1] == run.finished.step == 5

    assert run.train(*run.resume(), ranks=ranks) == 0, run.jobs[-1].output
    assert evaluated(run) == [(4, 0, 4, 0), (8, 0, 4, 1), (12, 0, 4, 2)]
    assert_same_end(never_stopped, run)


def test_another_number_of_ranks_goes_on_with_the_next_samples(
    never_stopped: Run, ranks: int, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `ranks` took before and one rank takes afterwards are the places of the order, each once."""
    taken: list[int] = []

    class Noted(Batches):
        def at(self, position: int) -> Batch:
            batch = super().at(position)
            taken.extend(batch.positions.tolist())
            return batch

    monkeypatch.setattr("vlatrain.train.batching.Batches", Noted)
    before = train_state(never_stopped.folder / "step-000004")
    assert before.position == 4 * 2 * 2 * ranks  # steps, samples of a batch, accumulation
    run = workshop.run(**SETTINGS, max_steps=12)
    assert run.train_here("--resume_adapter_dir", str(never_stopped.folder / "step-000004")) == 0
    after = train_state(run.latest)
    assert taken == list(range(before.position, after.position))
    assert (after.step, after.position) == (12, before.position + 8 * 2 * 2)
    assert any("ranks" in message for message in run.warnings) == (ranks != 1)


@pytest.mark.parametrize("ranks_before", [1, 2, 3])
@pytest.mark.parametrize("ranks_after", [1, 2, 4])
def test_every_sample_of_the_epoch_is_seen_once_whatever_the_ranks(ranks_before: int, ranks_after: int) -> None:
    """Three steps with some ranks, the rest of the epoch with others."""
    samples, batch_size, seed = 60, 2, 7
    steps_before = 3
    border = steps_before * batch_size * ranks_before
    seen: list[int] = []
    for step in range(steps_before):
        for rank in range(ranks_before):
            positions = rank_positions(step * batch_size * ranks_before, batch_size, rank, ranks_before)
            seen += indices_at(seed, samples, positions).tolist()
    position = border
    while position < samples:
        for rank in range(ranks_after):
            positions = rank_positions(position, batch_size, rank, ranks_after)
            seen += indices_at(seed, samples, positions[positions < samples]).tolist()
        position += batch_size * ranks_after
    assert sorted(seen) == list(range(samples))
