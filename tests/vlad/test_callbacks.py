"""Callbacks for other trainers; the HF Trainer is the real one."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from supervised_runs import Lab
from vlad.callbacks import hf_callback, lightning_callback
from vlad.records.progress import CheckpointSaved, Finished, Plan, Reason, RequestDone, Step
from vlad.records.requests import Action, send_request
from vlad.records.rundir import RunDirectory
from vlad.report import Reporter


@pytest.fixture
def run(lab: Lab) -> RunDirectory:
    return lab.create(lab.spec("true")).directory


class Line(torch.nn.Module):
    """y = a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": ((self.a * x - labels) ** 2).mean(), "logits": self.a * x}


def test_the_hf_trainer_reports_steps_checkpoints_evaluations_and_answers(run: RunDirectory, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    data = [{"x": torch.tensor([float(i)]), "labels": torch.tensor([2.0 * i])} for i in range(8)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=4, logging_steps=1, save_steps=4, eval_strategy="no",
        per_device_train_batch_size=2, report_to=[], use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    asked = send_request(run.trainer_requests, Action.EVALUATE, "a test")
    Trainer(
        model=Line(), args=arguments, train_dataset=data, eval_dataset=data,
        compute_metrics=lambda _: {"success_rate": 0.75}, callbacks=[hf_callback(Reporter(run.path))],
    ).train()  # fmt: skip
    lines = run.read_progress()[0]
    plan = lines[0]
    assert isinstance(plan, Plan)
    assert (plan.max_steps, plan.save_steps) == (4, 4)
    assert [line.step for line in lines if isinstance(line, Step)] == [1, 2, 3, 4]
    assert all(line.loss is not None for line in lines if isinstance(line, Step))
    (saved,) = [line for line in lines if isinstance(line, CheckpointSaved)]
    assert Path(saved.path).is_dir()
    assert {line.request_id for line in lines if isinstance(line, RequestDone)} == {asked.id}
    assert isinstance(lines[-1], Finished)
    assert lines[-1].reason is Reason.MAX_STEPS
    assert run.read_evaluations()[0].success_rate == 75


def test_lightning_reports_through_its_hooks(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the names of Lightning 2's hooks and Trainer; Lightning itself is no dependency."""
    package = ModuleType("pytorch_lightning")
    package.Callback = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", package)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    trainer = SimpleNamespace(
        is_global_zero=True, global_step=0, world_size=2, estimated_stepping_batches=4, sanity_checking=False,
        callback_metrics={"train_loss": torch.tensor(0.5), "success_rate": torch.tensor(0.5)},
    )  # fmt: skip
    callback = lightning_callback(Reporter(run.path), every_steps=2)
    callback.on_train_start(trainer, None)
    for trainer.global_step in (1, 2, 2, 3, 4):
        callback.on_train_batch_end(trainer, None, None, None, 0)
    callback.on_validation_end(trainer, None)
    callback.on_train_end(trainer, None)
    lines = run.read_progress()[0]
    assert [(line.step, line.loss) for line in lines if isinstance(line, Step)] == [(2, 0.5), (4, 0.5)]
    assert isinstance(lines[0], Plan)
    assert (lines[0].max_steps, lines[0].ranks) == (4, 2)
    assert isinstance(lines[-1], Finished)
    assert run.read_evaluations()[0].success_rate == 50
