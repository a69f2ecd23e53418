"""The levers of speed on a GPU, each against the plain path, in small."""

from typing import Any

import numpy as np
import pytest
import torch
from gpu_models import needs_gpus, small_config, small_model
from made_adapters import nudged
from speed_steps import codec_7b
from torch import Tensor
from training_runs import Workshop, adapter, is_same, trainer_state
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.speed import BasePrecision, Switch
from vlatrain.data.augment import augment, draw
from vlatrain.data.batches import IGNORED, Batch
from vlatrain.distributed import Ranks
from vlatrain.fast import merged as merging
from vlatrain.fast.answers import Answers
from vlatrain.fast.feeding import Feed
from vlatrain.fast.pictures import compiled_look
from vlatrain.model.fp8 import Fp8Linear, to_fp8
from vlatrain.model.images import PUBLISHED, normalise, on_device
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA
from vlatrain.train.learner import Learner, learner_of
from vlatrain.train.step import forward_backward, model_inputs
from whole_models import passed as passed_whole
from whole_models import stepped as stepped_whole
from whole_models import whole_learner

DEVICE = torch.device("cuda", 0)
OFF = dict.fromkeys(("fused_lora", "compile", "cuda_graph", "grouped_lora", "joint_gradients"), Switch.OFF)
LEVERS: dict[str, dict[str, Any]] = {
    "fused_lora": {**OFF, "fused_lora": Switch.ON},
    "compile": {**OFF, "fused_lora": Switch.ON, "compile": Switch.ON},
    "cuda_graph": {**OFF, "fused_lora": Switch.ON, "cuda_graph": Switch.ON},
    "grouped_lora": {**OFF, "fused_lora": Switch.ON, "cuda_graph": Switch.ON, "grouped_lora": Switch.ON},
    "joint_gradients": {
        **OFF,
        **dict.fromkeys(("fused_lora", "cuda_graph", "grouped_lora", "joint_gradients"), Switch.ON),
    },
    "all": {"joint_gradients": Switch.ON},
}

OF_WHOLE_MODELS: dict[str, dict[str, Any]] = {
    "compile": {**OFF, "compile": Switch.ON},
    "cuda_graph": {**OFF, "cuda_graph": Switch.ON},
    "all": {},
}


def batch(text: int, seed: int = 3, *, has_states: bool = False) -> Batch:
    rng = np.random.default_rng(seed)
    config = small_config()
    ids = torch.from_numpy(rng.integers(3, config.action_vocab_end, (4, text)))
    labels = torch.where(torch.arange(text) >= text - 8, ids, IGNORED)
    images = torch.from_numpy(rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
    states = torch.from_numpy(rng.uniform(-1, 1, (4, 8)).astype(np.float32)) if has_states else None
    return Batch(images, ids, labels, torch.full((4,), text), np.arange(4), states=states).pinned()


def learner(precision: Precision, **settings: Any) -> tuple[Learner, FinetuneConfig]:
    config = FinetuneConfig(lora_rank=8, precision=precision, image_aug=False, grad_accumulation_steps=3, **settings)
    dtype = torch.float32 if precision is Precision.FP32 else torch.bfloat16
    made = learner_of(small_model().to(DEVICE, dtype), config, None, Ranks(), DEVICE)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in made.trained:
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(DEVICE) * 0.05)
    return made, config


def passed(precision: Precision, **settings: Any) -> tuple[float, Tensor]:
    """Sum of losses and gradients of three micro-batches of two lengths."""
    made, config = learner(precision, **settings)
    codec = codec_7b(small_config())
    wanted = ((34, 3), (29, 3), (34, 4))
    batches = iter([batch(text, seed, has_states=config.foretells_proprio) for text, seed in wanted])
    feed = Feed(batches, lambda one: model_inputs(made, one, codec, config), DEVICE)
    for _ in range(3):
        forward_backward(made, next(feed), codec, config)
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in made.trained]
    return made.averages.sums[0].item(), torch.cat([one.flatten() for one in gradients])


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", LEVERS)
def test_in_fp32_a_lever_changes_nothing_but_rounding(name: str) -> None:
    loss, gradient = passed(Precision.FP32, **LEVERS[name])
    expected_loss, expected = passed(Precision.FP32, **OFF)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert distance(gradient, expected) < 1e-4


@pytest.mark.parametrize("name", LEVERS)
def test_what_foretells_the_hand_s_state_learns_the_same_under_a_lever(name: str) -> None:
    loss, gradient = passed(Precision.FP32, **LEVERS[name], proprio_loss_weight=0.5)
    expected_loss, expected = passed(Precision.FP32, **OFF, proprio_loss_weight=0.5)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert distance(gradient, expected) < 1e-4
    _, without = passed(Precision.FP32, **OFF)
    assert distance(expected[: len(without)], without) > 1e-3


@pytest.mark.parametrize("name", LEVERS)
def test_in_bf16_a_lever_is_within_the_noise_of_the_plain_path(name: str) -> None:
    _, exact = passed(Precision.FP32, **OFF)
    _, plain = passed(Precision.BF16, **OFF)
    _, found = passed(Precision.BF16, **LEVERS[name])
    assert distance(found, exact) < 1.5 * distance(plain, exact)


@pytest.mark.parametrize("name", OF_WHOLE_MODELS)
def test_of_a_whole_model_a_lever_changes_nothing_but_rounding(name: str) -> None:
    exact = passed_whole(*whole_learner(DEVICE, precision=Precision.FP32, **OFF))
    found = passed_whole(*whole_learner(DEVICE, precision=Precision.FP32, **OF_WHOLE_MODELS[name]))
    assert found[0] == pytest.approx(exact[0], rel=1e-5)
    assert distance(found[1], exact[1]) < 1e-4
    _, plain = passed_whole(*whole_learner(DEVICE, precision=Precision.BF16, **OFF))
    _, noisy = passed_whole(*whole_learner(DEVICE, precision=Precision.BF16, **OF_WHOLE_MODELS[name]))
    assert distance(noisy, exact[1]) < 1.5 * distance(plain, exact[1])


@pytest.mark.parametrize("name", OF_WHOLE_MODELS)
def test_of_a_whole_model_steps_and_means_are_those_of_the_plain_path(name: str) -> None:
    """Three steps move each weight by about three times the learning rate; in fp32 most land on the same place."""
    expected = stepped_whole(*whole_learner(DEVICE, precision=Precision.FP32, **OFF))
    found = stepped_whole(*whole_learner(DEVICE, precision=Precision.FP32, **OF_WHOLE_MODELS[name]))
    before = [one.detach() for one in whole_learner(DEVICE, precision=Precision.FP32, **OFF)[0].trained]
    for places, wanted in zip(found, expected, strict=True):
        moved = torch.cat([(one - start).flatten() for one, start in zip(places, before, strict=True)])
        wish = torch.cat([(one - start).flatten() for one, start in zip(wanted, before, strict=True)])
        assert wish.norm() > 0
        assert distance(moved, wish) < 0.05


def test_pictures_looked_at_in_one_program_are_those_of_the_plain_path() -> None:
    size = 224
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    smooth = torch.stack([rows * 255 // size, columns * 255 // size, (rows + columns) * 127 // size], dim=-1)
    images = smooth.to(torch.uint8).expand(4, -1, -1, -1).contiguous().to(DEVICE)
    draws = draw(3, np.arange(4), DEVICE)
    constants = on_device(PUBLISHED, DEVICE)
    found = compiled_look()(images, draws, *constants, torch.float32)
    difference = (found - normalise(augment(images, draws))).abs() * constants[1] * 255
    assert difference.max() < 1.01, "one level of 255"
    assert (difference > 0.5).float().mean() < 1e-3


OVER_FP8: dict[str, dict[str, Any]] = {
    "by themselves": {"grouped_lora": Switch.OFF},
    "grouped": {"grouped_lora": Switch.ON, "fp8_kernels": Switch.OFF},
    "kernels": {"fp8_kernels": Switch.ON},
    "kernels, not compiled": {"fp8_kernels": Switch.ON, "compile": Switch.OFF},
    "kernels, not joint": {"fp8_kernels": Switch.ON, "joint_gradients": Switch.OFF},
}


@pytest.mark.parametrize("name", OVER_FP8)
def test_an_fp8_base_turns_gradients_by_its_rounding_only(name: str) -> None:
    _, exact = passed(Precision.FP32, **OFF)
    _, found = passed(Precision.BF16, base_precision=BasePrecision.FP8, **OVER_FP8[name])
    assert 0 < distance(found, exact) < 0.25


def test_kernels_over_an_fp8_base_are_as_near_to_fp32_as_the_plain_pass_over_it() -> None:
    _, exact = passed(Precision.FP32, **OFF)
    plain, found = (
        passed(Precision.BF16, base_precision=BasePrecision.FP8, **switches)[1]
        for switches in (OFF, OVER_FP8["kernels"])
    )
    assert distance(found, exact) < 1.5 * distance(plain, exact)


def test_fp8_products_on_the_card_are_those_of_the_emulation() -> None:
    exact = torch.nn.Linear(256, 512, bias=False)
    inputs, gradient = torch.randn(64, 256), torch.randn(64, 512)
    results = []
    for device in ("cpu", "cuda"):
        made = Fp8Linear(exact, torch.device(device), keeps_transpose=device == "cuda")
        given = inputs.to(device, torch.bfloat16).requires_grad_()
        out = made(given)
        out.backward(gradient.to(device, torch.bfloat16))
        assert given.grad is not None
        results.append((out.detach().cpu().float(), given.grad.cpu().float()))
    for one, other in zip(*results, strict=True):
        assert distance(other, one) < 0.01


TIE = 0.15
"""Logits of bf16 this far apart, as a share of their spread, may change places between kernels: an emulation on the CPU
comes to 0.034, over four models."""
FP8_TIE = 0.5
"""The same where only one of both rounds what enters its products to fp8; the emulation comes to 0.23."""


@pytest.mark.parametrize("rows", [1, 3, 16])
@pytest.mark.parametrize("how", ["adapter", "merged", "kernels"])
def test_captured_answers_are_the_plain_ones_up_to_ties(rows: int, how: str) -> None:
    vla = small_model().to(DEVICE, torch.bfloat16)
    nudged(add_lora(vla, rank=8, is_fused=True).to(DEVICE)).eval()
    answers = Answers(vla, vla.config.pad_token_id, is_captured=True, has_kernels=how == "kernels")
    for seed in (1, 2):
        question = asked(vla, rows, seed)
        if how != "adapter":
            with answers.opened():
                tokens = answers(*question)
        else:
            tokens = answers(*question)
        assert shortfall(vla, question, tokens) < TIE


@pytest.mark.parametrize("has_room", [True, False])
@pytest.mark.parametrize("has_adapter", [True, False])
@pytest.mark.parametrize("rows", [1, 3, 16])
def test_captured_answers_over_an_fp8_base_are_the_plain_ones_up_to_its_rounding(
    rows: int, has_adapter: bool, has_room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_room:
        monkeypatch.setattr(merging, "_has_room", lambda parts, _: not isinstance(parts[0], DecoderLayer))
    vla = small_model().to(DEVICE, torch.bfloat16)
    if has_adapter:
        nudged(add_lora(vla, rank=8, is_fused=True).to(DEVICE))
    to_fp8(vla, DEVICE)
    vla.eval()
    answers = Answers(vla, vla.config.pad_token_id, is_captured=True, has_kernels=True)
    for seed in (1, 2):
        question = asked(vla, rows, seed)
        with answers.opened():
            tokens = answers(*question)
        assert shortfall(vla, question, tokens) < FP8_TIE


def asked(vla: OpenVLA, rows: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(seed)
    size = vla.config.image_size
    pixels = torch.randn(rows, 6, size, size, device=DEVICE, generator=generator).bfloat16()
    ids = torch.randint(3, vla.config.action_vocab_end, (rows, 9), device=DEVICE, generator=generator)
    return pixels, ids, torch.full((rows,), 9, device=DEVICE)


@torch.no_grad()
def shortfall(vla: OpenVLA, question: tuple[Tensor, Tensor, Tensor], tokens: Tensor) -> float:
    """By how much the plain path likes its own best token more than the given ones, in standard deviations."""
    pixels, ids, _ = question
    embeddings = vla.embed(pixels, torch.cat((ids, tokens[:, :-1]), dim=1))
    logits = vla.language_model.logits(vla.language_model.model(embeddings)[:, -7:]).float()
    chosen = logits.gather(2, tokens.unsqueeze(-1)).squeeze(-1)
    return float(((logits.amax(-1) - chosen) / logits.std(-1)).max())


@pytest.mark.parametrize("trained", ["adapters", "all weights"])
def test_with_all_levers_a_stopped_run_is_one_never_stopped(workshop: Workshop, trained: str) -> None:
    of_whole = {"use_lora": False, "ema_decay": 0.9, "soft_target_bins": 2.0, "keep_frames_on_device": True}
    settings: dict[str, Any] = {
        **{"device": "cuda", "deterministic": True, "grad_accumulation_steps": 2, "log_every_steps": 3},
        **{"compile": "on", "cuda_graph": "on"},
        **{"lr_scheduler": "cosine", "max_grad_norm": 1.0, "keep_checkpoints": 10, "max_steps": 12},
        **(of_whole if trained == "all weights" else {}),
    }
    whole = workshop.run("whole", **settings)
    assert whole.train() == 0, whole.jobs[-1].output
    assert "compile on, cuda_graph on" in whole.jobs[-1].output
    assert whole.jobs[-1].output.count("capturing a pass") == 1, "texts of three lengths are padded to one"
    parts = workshop.run("parts", **settings)
    assert parts.train(environment={"VLAD_FAILPOINTS": "step_5:term"}) == 0, parts.jobs[-1].output
    assert parts.train(*parts.resume()) == 0, parts.jobs[-1].output
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))
    if trained == "adapters":
        assert is_same(adapter(whole.latest), adapter(parts.latest))


@needs_gpus(2)
@pytest.mark.parametrize("name", ["compile", "cuda_graph"])
def test_several_ranks_learn_with_a_lever_what_they_learn_without(workshop: Workshop, name: str) -> None:
    settings: dict[str, Any] = {"device": "cuda", "precision": "fp32", "max_steps": 6, "grad_accumulation_steps": 2}
    curves = []
    for switches in (LEVERS[name], OFF):
        words = {switch: str(value) for switch, value in switches.items()}
        run = workshop.run("-".join(words.values()), **settings, **words)
        assert run.train(ranks=2) == 0, run.jobs[-1].output
        curves.append([loss for _, loss, _, _ in run.steps])
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
