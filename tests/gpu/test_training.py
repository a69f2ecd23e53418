"""Training on GPUs: resumed to the last bit, and learning in every arithmetic."""

import math
from typing import Any

import pytest
import torch
from gpu_models import needs_gpus
from training_runs import Run, Workshop, adapter, is_same, train_state, trainer_state

EXACT: dict[str, Any] = {
    "device": "cuda",
    "deterministic": True,
    "grad_accumulation_steps": 2,
    "lora_dropout": 0.2,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 3,
    "max_grad_norm": 1.0,
    "log_every_steps": 3,
    "keep_checkpoints": 10,
    "max_steps": 12,
}
LEARNING: dict[str, Any] = {
    "device": "cuda",
    "batch_size": 14,
    "max_steps": 150,
    "save_steps": 150,
    "learning_rate": 5e-3,
    "lora_rank": 16,
    "image_aug": False,
    "compile": "off",  # its minute belongs to test_fast.py
}


def trained(run: Run, *words: str, ranks: int = 1, failpoint: str = "") -> Run:
    assert run.train(*words, ranks=ranks, environment={"VLAD_FAILPOINTS": failpoint}) == 0, run.jobs[-1].output
    return run


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=needs_gpus(2))])
def test_stopped_and_resumed_is_never_stopped_to_the_last_bit(workshop: Workshop, ranks: int, precision: str) -> None:
    whole = trained(workshop.run("whole", **EXACT, precision=precision), ranks=ranks)
    parts = workshop.run("parts", **EXACT, precision=precision)
    trained(parts, ranks=ranks, failpoint="step_5:term")
    assert parts.finished.step == 5
    trained(parts, *parts.resume(), ranks=ranks)
    assert is_same(adapter(whole.latest), adapter(parts.latest))
    assert is_same(trainer_state(whole.latest), trainer_state(parts.latest))
    assert train_state(whole.latest) == train_state(parts.latest)


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=needs_gpus(2))])
def test_twice_the_same_is_the_same_to_the_last_bit(workshop: Workshop, ranks: int) -> None:
    one, other = (trained(workshop.run(name, **EXACT), ranks=ranks) for name in ("one", "other"))
    assert is_same(adapter(one.latest), adapter(other.latest))
    assert one.steps == other.steps


def losses(run: Run) -> list[float]:
    found = [loss for _, loss, _, _ in run.steps]
    return [loss for loss in found if loss is not None]


def test_fp16_with_loss_scaling_learns_as_fp32_does(workshop: Workshop) -> None:
    curves = {
        precision: losses(trained(workshop.run(precision, **LEARNING, precision=precision)))
        for precision in ("fp32", "fp16", "bf16")
    }
    first, last = curves["fp32"][0], sum(curves["fp32"][-10:]) / 10
    assert last < first / 2
    for precision in ("fp16", "bf16"):
        assert all(map(math.isfinite, curves[precision]))
        assert sum(curves[precision][-10:]) / 10 == pytest.approx(last, abs=0.1 * (first - last))


def test_fp16_keeps_masters_in_fp32_and_its_scale_in_the_checkpoint(workshop: Workshop) -> None:
    run = trained(workshop.run("fp16", **{**LEARNING, "max_steps": 4}, precision="fp16"))
    assert {tensor.dtype for tensor in adapter(run.latest).values()} == {torch.float32}
    state = trainer_state(run.latest)
    assert state["vlatrain"]["scaler"]["scale"] >= 1
    assert {one["exp_avg"].dtype for one in state["optimizer"]["state"].values()} == {torch.float32}
