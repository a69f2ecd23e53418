"""fp16 with a scaled loss and fp32 masters, as on cards without bf16; here on the CPU, slowly, to the same numbers."""

import math
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from training_runs import Run, Workshop, adapter, is_same, trainer_state
from vlatrain.configuration.finetune import Precision
from vlatrain.errors import ConfigError
from vlatrain.train.learner import compute_dtype


def trained(run: Run, *words: str) -> Run:
    assert run.train_here(*words) == 0
    return run


@pytest.fixture
def fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlatrain.train.learner.compute_dtype", lambda *_: torch.float16)


def losses(run: Run) -> list[float]:
    found = [loss for _, loss, _, _ in run.steps if loss is not None]
    assert all(map(math.isfinite, found))
    return found


def test_fp16_learns_what_fp32_learns(workshop: Workshop, request: pytest.FixtureRequest) -> None:
    settings = {"max_steps": 16, "save_steps": 16, "batch_size": 8}
    full = losses(trained(workshop.run("fp32", **settings)))
    request.getfixturevalue("fp16")
    half = losses(trained(workshop.run("fp16", **settings)))
    assert full[-1] < full[0] - 1
    assert half == pytest.approx(full, rel=0.02)
    assert half != full


@pytest.mark.usefixtures("fp16")
def test_a_gradient_beyond_fp16_halves_the_scale_and_changes_no_weight(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_much = partial(torch.amp.GradScaler, init_scale=2.0**40)
    monkeypatch.setattr("vlatrain.train.learner.torch.amp.GradScaler", too_much)
    run = trained(workshop.run(max_steps=3, save_steps=1, keep_checkpoints=9))
    first, *_, last = (adapter(path) for path in sorted(run.folder.glob("step-*")))
    assert is_same(first, last)
    assert all(not tensor.any() for name, tensor in last.items() if "lora_B" in name)
    assert trainer_state(run.latest)["vlatrain"]["scaler"]["scale"] == 2.0**37
    assert trainer_state(run.latest)["optimizer"]["state"] == {}


@pytest.mark.usefixtures("fp16")
def test_after_overflows_it_finds_a_scale_and_learns(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    too_much = partial(torch.amp.GradScaler, init_scale=2.0**24)
    monkeypatch.setattr("vlatrain.train.learner.torch.amp.GradScaler", too_much)
    run = trained(workshop.run(max_steps=24, save_steps=24, batch_size=4))
    assert losses(run)[-1] < losses(run)[0] - 0.5
    assert 1 <= trainer_state(run.latest)["vlatrain"]["scaler"]["scale"] < 2.0**24


@pytest.mark.usefixtures("fp16")
def test_the_scale_and_its_growth_survive_a_resume(workshop: Workshop) -> None:
    whole = trained(workshop.run("whole", max_steps=6, save_steps=3))
    parts = trained(workshop.run("parts", max_steps=3, save_steps=3))
    trained(parts, "--max_steps", "6", *parts.resume())
    assert trainer_state(parts.latest)["vlatrain"]["scaler"] == trainer_state(whole.latest)["vlatrain"]["scaler"]
    assert is_same(adapter(parts.latest), adapter(whole.latest))


@pytest.mark.usefixtures("fp16")
def test_adapters_and_moments_are_fp32_masters(workshop: Workshop) -> None:
    run = trained(workshop.run(max_steps=1, save_steps=1))
    assert {tensor.dtype for tensor in load_file(run.latest / "adapter_model.safetensors").values()} == {torch.float32}
    moments = [one["exp_avg"] for one in trainer_state(run.latest)["optimizer"]["state"].values()]
    assert {tensor.dtype for tensor in moments} == {torch.float32}


@pytest.mark.parametrize(
    ("precision", "has_bf16", "dtype"),
    [
        (Precision.AUTO, True, torch.bfloat16),
        (Precision.AUTO, False, torch.float16),
        (Precision.FP16, True, torch.float16),
        (Precision.FP32, False, torch.float32),
    ],
)
def test_a_card_without_bf16_gets_fp16(
    precision: Precision, has_bf16: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: has_bf16)
    assert compute_dtype(precision, torch.device("cuda")) is dtype


def test_bf16_is_refused_on_a_card_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Tesla V100-SXM2-16GB")
    with pytest.raises(ConfigError, match="Tesla V100-SXM2-16GB has no bf16 arithmetic; take fp16 or auto"):
        compute_dtype(Precision.BF16, torch.device("cuda"))


def test_fp16_on_the_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="--precision fp16: not on the CPU"):
        compute_dtype(Precision.FP16, torch.device("cpu"))
