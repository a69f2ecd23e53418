"""vlatrain.train: what a run tells, saves, evaluates and answers, and how it ends."""

import json
import re
import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_runs import EVALUATED, Run, Workshop, adapter, is_same, train_state, trainer_state
from vlad.records.progress import CheckpointSaved, Phase, PhaseChange, Plan, Reason, Step
from vlad.records.requests import Action
from vlatrain.train.checkpoint import checkpoints


def losses(run: Run) -> list[float | None]:
    return [line.loss for line in run.told(Step)]


def test_tells_its_plan_each_step_each_checkpoint_and_why_it_ended(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=5, save_steps=2)
    [plan] = run.told(Plan)
    assert (plan.start_step, plan.max_steps, plan.save_steps, plan.eval_every_steps) == (0, 5, 2, None)
    assert (plan.ranks, plan.samples_per_step, plan.patience) == (1, 2, None)
    assert [line.step for line in run.told(Step)] == [1, 2, 3, 4, 5]
    assert [line.epoch for line in run.told(Step)][-1] == pytest.approx(5 * 2 / 42)
    assert run.saved_steps == [2, 4, 5]  # the last step too, though no multiple
    assert (run.finished.step, run.finished.reason, run.finished.stopped) == (5, Reason.MAX_STEPS, False)


def test_phases_follow_what_it_does(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2, **EVALUATED)
    phases = [phase for phase, _ in groupby(line.phase for line in run.told(PhaseChange))]
    assert phases == [Phase.LOADING, Phase.TRAINING, Phase.SAVING, Phase.EVALUATING, Phase.SAVING]
    counted = [(line.done, line.total) for line in run.told(PhaseChange) if line.phase is Phase.EVALUATING]
    assert counted == [(done, 10) for done in range(11)]


def test_the_log_has_the_original_lines(workshop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    workshop.trained(max_steps=100, early_stopping_enabled=True, early_stopping_patience=2, **EVALUATED)
    out = capfd.readouterr().out
    number = r"-?[\d.e-]+"
    train_line = rf"\[train\] step=1 lr={number} loss={number} acc={number} l1={number} sec/step={number}"
    assert re.search(train_line, out)
    assert re.search(r"\[eval\] step 2 success_rate=0\.00% \(0/10", out)
    assert "[early-stop] improvement: best 0.00% at step 2" in out
    assert "[early-stop] no improvement (1/2)" in out
    assert "[early-stop] no improvement (2/2)" in out
    assert "Early stopping at step 6" in out


def test_learns(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=60, batch_size=8, save_steps=100, image_aug=False, learning_rate=2e-2)
    told = [loss for loss in losses(run) if loss is not None]
    assert sum(told[-5:]) < 0.7 * sum(told[:5])


def test_a_mixture_without_evaluations_needs_no_set_of_the_suite(
    workshop: Workshop, make_set: Callable[..., Path]
) -> None:
    root = make_set(4, 5, name="libero_a").parent
    make_set(4, 5, name="libero_b")
    run = workshop.run(data_root_dir=str(root), dataset_name="libero_a,libero_b:0.5", max_steps=2)
    assert run.train_here() == 0
    assert set(json.loads((run.latest / "dataset_statistics.json").read_text())) == {"libero_a", "libero_b"}


def test_only_the_adapters_are_trained(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=1)
    names = adapter(run.latest).keys()
    assert all(re.search(r"\.lora_[AB]\.weight$", name) for name in names)
    [group] = trainer_state(run.latest)["optimizer"]["param_groups"]
    assert len(group["params"]) == len(names)
    assert (group["weight_decay"], group["betas"], group["eps"]) == (0.01, (0.9, 0.999), 1e-8)


def test_accumulated_micro_batches_are_one_large_batch(workshop: Workshop) -> None:
    whole = workshop.trained("whole", batch_size=4, max_steps=3)
    parts = workshop.trained("parts", batch_size=2, grad_accumulation_steps=2, max_steps=3)
    assert losses(whole) == pytest.approx(losses(parts), rel=1e-5)
    one, other = adapter(whole.latest), adapter(parts.latest)
    assert all(torch.allclose(one[name], other[name], atol=2e-3) for name in one)
    assert train_state(whole.latest) == train_state(parts.latest)


def test_the_logged_rate_follows_the_schedule(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=4, learning_rate=0.01, lr_scheduler="cosine", lr_warmup_steps=2)
    assert [line.learning_rate for line in run.told(Step)] == pytest.approx([0.005, 0.01, 0.01, (0.01 + 1e-5) / 2])


def test_a_logged_line_averages_over_the_steps_since_the_last(workshop: Workshop) -> None:
    each = workshop.trained("each", max_steps=5)
    some = workshop.trained("some", max_steps=5, log_every_steps=2)
    one, two, three, four, five = (loss or 0.0 for loss in losses(each))
    assert [line.step for line in some.told(Step)] == [2, 4, 5]
    assert losses(some) == pytest.approx([(one + two) / 2, (three + four) / 2, five])


@pytest.mark.parametrize("settings", [{"use_lora": False, "learning_rate": 1e-3}, {"precision": "bf16"}], ids=str)
def test_other_ways_to_train_resume_exactly_too(workshop: Workshop, settings: dict[str, object]) -> None:
    whole = workshop.trained("whole", max_steps=4, save_steps=2, keep_checkpoints=9, **settings)
    parts = workshop.trained("parts", max_steps=2, save_steps=2, **settings)
    assert parts.train_here(*parts.resume(), "--max_steps", "4") == 0
    assert whole.steps == parts.steps
    assert is_same(trainer_state(whole.latest), trainer_state(parts.latest))


def test_data_loader_threads_change_nothing(workshop: Workshop) -> None:
    none = workshop.trained("none", max_steps=4)
    some = workshop.trained("some", max_steps=4, num_workers=2)
    assert none.steps == some.steps


def test_the_best_checkpoint_outlives_the_newest(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=8, keep_checkpoints=1, **EVALUATED)
    assert [step for step, _ in checkpoints(run.folder)] == [2, 8]
    assert [(line.step, line.is_best) for line in run.told(CheckpointSaved) if line.is_best] == [(2, True)]


def test_requests_are_answered_once(workshop: Workshop) -> None:
    run = workshop.run(max_steps=3, save_steps=100, enable_periodic_eval=True, eval_every_steps=100)
    save, evaluation = run.ask(Action.SAVE), run.ask(Action.EVALUATE)
    assert run.train_here() == 0
    assert run.answers == {
        save.id: "nothing is trained yet",
        evaluation.id: "success rate 0.00% at step 0",
    }
    on_demand, scheduled = run.evaluations
    assert (on_demand.step, on_demand.improved, on_demand.best) == (0, False, None)
    assert (scheduled.step, scheduled.improved, scheduled.best) == (3, True, 0.0)


def test_a_stop_request_saves_and_ends_well(workshop: Workshop) -> None:
    """In a process of its own, at any step; a save asked for at the same time is answered by it."""
    run = workshop.run(max_steps=100_000, save_steps=100_000)
    job = run.start()
    run.wait_until(lambda: len(run.told(Step)) > 1)
    save, stop = run.ask(Action.SAVE), run.ask(Action.STOP)
    assert job.wait() == 0, job.output
    assert (run.finished.stopped, run.finished.reason) == (True, None)
    assert run.saved_steps[-1] == run.finished.step == run.told(Step)[-1].step
    assert set(run.answers) == {save.id, stop.id}
    assert run.answers[save.id].startswith("checkpoint ")


@pytest.mark.slow
def test_sigterm_to_torchrun_saves_before_the_ranks_end(workshop: Workshop) -> None:
    """The agent passes the signal on and ends with an error of its own; the run's last word tells the truth."""
    run = workshop.run(max_steps=100_000, save_steps=100_000)
    job = run.start(ranks=2)
    run.wait_until(lambda: len(run.told(Step)) > 1)
    job.process.terminate()
    job.wait()
    assert run.finished.stopped
    assert run.saved_steps == [run.finished.step]


def broken_base(workshop: Workshop, run: Run) -> None:
    """A base model with a weight that is no number."""
    (run.project / "base").unlink()
    shutil.copytree(workshop.base, run.project / "base")
    weights = load_file(run.project / "base" / "model.safetensors")
    weights["projector.fc3.bias"][0] = torch.nan
    save_file(weights, run.project / "base" / "model.safetensors", metadata={"format": "pt"})


def test_a_loss_that_is_no_number_ends_the_run_and_overwrites_nothing(
    workshop: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    run = workshop.trained(max_steps=2)
    before = {path.name: path.read_bytes() for path in run.latest.iterdir()}
    checkpoint = run.latest
    broken_base(workshop, run)
    assert run.train_here(*run.resume(), "--max_steps", "4", "--log_every_steps", "50") == 1
    assert "loss is nan at step 4 on rank 0" in capfd.readouterr().err
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before
    assert [step for step, _ in checkpoints(run.folder)] == [2]


def test_a_full_disk_is_a_warning_while_training_goes_on(workshop: Workshop) -> None:
    run = workshop.run(max_steps=6, save_steps=2)
    once = {"VLAD_FAILPOINTS": "writing_checkpoint:enospc", "VLAD_FAILPOINTS_ONCE": str(workshop.folder)}
    assert run.train_here(**once) == 0
    assert run.saved_steps == [4, 6]
    assert ["step 2 not saved" in message and "No space left" in message for message in run.warnings] == [True]


def test_a_run_whose_last_steps_cannot_be_saved_fails(workshop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    run = workshop.run(max_steps=2)
    assert run.train_here(VLAD_FAILPOINTS="writing_checkpoint:enospc") == 1
    told = capfd.readouterr().err
    assert re.search(r"ends at step 2, but its last checkpoint could not be saved: .* No space left on device", told)


def test_what_ends_a_rank_is_written_where_torchrun_looks(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the ranks have met."""

    def unreachable(**_: object) -> None:
        raise ConnectionError("the first rank is not reachable")

    error_file = tmp_path / "error.json"
    monkeypatch.setattr("vlatrain.train.session.joined", unreachable)
    with pytest.raises(ConnectionError):
        workshop.run().train_here(TORCHELASTIC_ERROR_FILE=str(error_file))
    assert "the first rank is not reachable" in json.loads(error_file.read_text())["message"]["message"]


def test_nobody_else_reads_what_a_run_writes(workshop: Workshop) -> None:
    run = workshop.run(max_steps=1)
    assert run.train() == 0, run.jobs[-1].output
    written = list(run.folder.rglob("*"))
    assert len(written) > 4
    assert [path.name for path in written if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("place", ["before_checkpoint_rename", "after_checkpoint_rename"])
def test_killed_while_saving_leaves_a_whole_checkpoint_or_none(workshop: Workshop, place: str) -> None:
    run = workshop.run(max_steps=4, save_steps=2)
    assert run.train(environment={"VLAD_FAILPOINTS": f"{place}:kill"}) == -9, run.jobs[-1].output
    left = [step for step, _ in checkpoints(run.folder)]
    assert left == ([2] if place == "after_checkpoint_rename" else [])
    assert run.train_here(*(run.resume() if left else ())) == 0
    assert [step for step, _ in checkpoints(run.folder)] == [2, 4]
    assert sorted(path.name for path in run.folder.iterdir()) == ["lineage", "step-000002", "step-000004"]


def original_style(run: Run, folder: Path, **state: object) -> Path:
    """The adapter folder of the original script: the adapter, and its own trainer_state.pt."""
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(run.latest / name, folder / name)
    torch.save({"global_step": 2, **state}, folder / "trainer_state.pt")
    return folder


def test_an_adapter_folder_of_the_original_script_goes_on_at_the_next_step(workshop: Workshop) -> None:
    run = workshop.trained(max_steps=2, save_steps=2)
    folder = original_style(run, workshop.folder / "original", optimizer=trainer_state(run.latest)["optimizer"])
    assert run.train_here("--resume_adapter_dir", str(folder), "--max_steps", "4") == 0
    assert [line.step for line in run.told(Step)] == [1, 2, 3, 4]
    assert run.warnings == []
    assert trainer_state(run.latest)["optimizer"]["state"][0]["step"] == 4
