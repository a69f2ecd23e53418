"""Adapters: which modules, how they start, and files that PEFT and the original script share with us."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from made_adapters import HEAD_COPY, nudged, save_as_the_original_script_did, trainable
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from vlatrain.adapters import CONFIG_FILE, WEIGHTS_FILE
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.lora import add_lora, load_adapter, save_adapter
from vlatrain.model.lora_targets import LM_HEAD, TargetSet, dead_prefixes, pattern, targets
from vlatrain.model.openvla import IGNORED, OpenVLA, OpenVLAConfig


def batch(model: OpenVLA) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    size = model.config.image_size
    ids = torch.randint(3, model.config.action_vocab_end, (2, 14), generator=generator)
    labels = torch.where(torch.arange(14) < 6, IGNORED, ids)
    return torch.randn(2, 6, size, size, generator=generator), ids, labels


def base_of(model: torch.nn.Module) -> OpenVLA:
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    assert isinstance(base, OpenVLA)
    return base


def lora_of(model: PeftModel) -> LoraConfig:
    config = model.peft_config["default"]
    assert isinstance(config, LoraConfig)
    return config


def logits(model: torch.nn.Module) -> Tensor:
    out: Tensor = model.eval()(*batch(base_of(model))).logits
    return out.detach()


@pytest.mark.parametrize(("rank", "parameters"), [(32, 110_828_288), (16, 55_414_144)])
def test_the_published_set_has_the_published_number_of_parameters(rank: int, parameters: int) -> None:
    with torch.device("meta"):
        adapted = add_lora(OpenVLA(OpenVLAConfig()), rank, target_set=TargetSet.PUBLISHED)
    found = trainable(adapted)
    assert len(found) == 878
    assert sum(tensor.numel() for tensor in found.values()) == parameters
    assert sum(tensor.numel() for tensor in adapted.parameters()) == 7_541_237_184 + parameters


def test_the_live_set_of_the_7b_is_every_linear_that_learns() -> None:
    with torch.device("meta"):
        model = OpenVLA(OpenVLAConfig())
    live, published = targets(model, TargetSet.LIVE), targets(model, TargetSet.PUBLISHED)
    assert (len(live), len(published)) == (423, 439)
    left_out = set(published) - set(live)
    assert left_out - {name for name in left_out if name.startswith(dead_prefixes(model))} == {
        LM_HEAD,
        "vision_backbone.featurizer.patch_embed.proj",
        "vision_backbone.fused_featurizer.patch_embed.proj",
    }


@pytest.mark.parametrize("target_set", TargetSet)
def test_the_pattern_matches_the_named_modules_and_no_other(target_set: TargetSet) -> None:
    with torch.device("meta"):
        model = OpenVLA(OpenVLAConfig())
    names = targets(model, target_set)
    expression = re.compile(pattern(names))
    assert {name for name, _ in model.named_modules() if expression.fullmatch(name)} == set(names)


def test_a_pattern_keeps_layers_apart_that_adapt_different_modules() -> None:
    names = ["a.1.x", "a.1.y", "a.11.x", "b.1.x", "a.2.x.3.z", "plain.fc1"]
    expression = re.compile(pattern(names))
    others = ["a.11.y", "a.2.x", "a.1x", "b.11.x", "plain_fc1", "a.1.x.more", "", "a.2.x.4.z"]
    assert all(expression.fullmatch(name) for name in names)
    assert not any(expression.fullmatch(name) for name in others)


def test_every_live_adapter_gets_a_gradient_so_that_no_rank_waits_for_one(tiny_model: OpenVLA) -> None:
    adapted = add_lora(tiny_model, rank=4)
    adapted(*batch(tiny_model)).loss().backward()
    assert trainable(adapted)
    assert all(parameter.grad is not None for parameter in trainable(adapted).values())
    assert all("lora_" in name for name in trainable(adapted))


def test_of_the_published_set_the_dead_modules_get_none(tiny_model: OpenVLA) -> None:
    dead = tuple(f"base_model.model.{prefix}" for prefix in dead_prefixes(tiny_model))
    adapted = add_lora(tiny_model, rank=4, target_set=TargetSet.PUBLISHED)
    adapted(*batch(tiny_model)).loss().backward()
    silent = {name for name, parameter in trainable(adapted).items() if parameter.grad is None}
    assert silent == {name for name in trainable(adapted) if name.startswith(dead)}
    assert len(silent) == 2 * 13


def test_a_fresh_adapter_changes_nothing(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    assert torch.equal(logits(add_lora(make_tiny_model(1), rank=4)), logits(make_tiny_model(1)))


@pytest.mark.parametrize(("rank", "alpha", "used"), [(32, None, 16), (8, None, 8), (8, 4, 4)])
def test_alpha_is_the_smaller_of_rank_and_16_unless_given(
    rank: int, alpha: int | None, used: int, tiny_model: OpenVLA
) -> None:
    adapted = add_lora(tiny_model, rank, alpha)
    assert lora_of(adapted).lora_alpha == used
    assert adapted.get_submodule("base_model.model.projector.fc1").scaling == {"default": used / rank}


def test_a_is_normal_with_std_one_over_rank_and_b_is_zero(tiny_model: OpenVLA) -> None:
    found = trainable(add_lora(tiny_model, rank=8))
    first = torch.cat([tensor.flatten() for name, tensor in found.items() if "lora_A" in name])
    assert first.std().item() == pytest.approx(1 / 8, rel=0.05)
    assert all(not tensor.any() for name, tensor in found.items() if "lora_B" in name)


def test_the_seed_decides_the_start_and_the_global_generator_is_left_alone(
    make_tiny_model: Callable[[int], OpenVLA],
) -> None:
    models = [make_tiny_model(1) for _ in range(3)]
    before = torch.get_rng_state()
    one, same, other = (trainable(add_lora(model, 4, seed=seed)) for model, seed in zip(models, (1, 1, 2), strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_adapters_of_a_bf16_base_are_fp32_and_its_activations_stay_bf16(tiny_folder: Path) -> None:
    adapted = add_lora(load_base(tiny_folder, dtype=torch.bfloat16), rank=4)
    pixels, ids, labels = batch(base_of(adapted))
    out = adapted(pixels.to(torch.bfloat16), ids, labels)
    assert {tensor.dtype for tensor in trainable(adapted).values()} == {torch.float32}
    assert out.logits.dtype == torch.bfloat16
    out.loss().backward()
    assert {tensor.grad.dtype for tensor in trainable(adapted).values() if tensor.grad is not None} == {torch.float32}


def test_dropout_acts_in_training_only(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    adapted = nudged(add_lora(make_tiny_model(1), rank=4, dropout=0.5))
    inputs = batch(base_of(adapted))
    adapted.train()
    assert not torch.equal(adapted(*inputs).logits, adapted(*inputs).logits)
    adapted.eval()
    assert torch.equal(adapted(*inputs).logits, adapted(*inputs).logits)


@pytest.mark.parametrize("target_set", TargetSet)
def test_an_adapter_comes_back_as_it_was_saved(
    target_set: TargetSet, make_tiny_model: Callable[[int], OpenVLA], tmp_path: Path
) -> None:
    saved = nudged(add_lora(make_tiny_model(1), rank=4, dropout=0.25, target_set=target_set))
    save_adapter(saved, tmp_path)
    loaded = load_adapter(make_tiny_model(1), tmp_path)
    assert torch.equal(logits(loaded), logits(saved))
    assert lora_of(loaded).lora_dropout == 0.25
    kept = {name: tensor for name, tensor in trainable(saved).items() if name in trainable(loaded)}
    assert all(torch.equal(trainable(loaded)[name], tensor) for name, tensor in kept.items())
    assert kept.keys() == trainable(loaded).keys()


def test_dropout_of_the_new_run_may_replace_that_of_the_file(
    make_tiny_model: Callable[[int], OpenVLA], tmp_path: Path
) -> None:
    save_adapter(add_lora(make_tiny_model(1), rank=4, dropout=0.25), tmp_path)
    assert lora_of(load_adapter(make_tiny_model(1), tmp_path, dropout=0.0)).lora_dropout == 0.0


def test_peft_itself_reads_what_we_save(make_tiny_model: Callable[[int], OpenVLA], tmp_path: Path) -> None:
    saved = nudged(add_lora(make_tiny_model(1), rank=4))
    save_adapter(saved, tmp_path)
    assert torch.equal(logits(PeftModel.from_pretrained(make_tiny_model(1), str(tmp_path))), logits(saved))


def test_names_in_the_file_are_those_of_the_original_script(tiny_model: OpenVLA, tmp_path: Path) -> None:
    save_adapter(add_lora(tiny_model, rank=4), tmp_path)
    names = load_file(tmp_path / WEIGHTS_FILE).keys()
    assert "base_model.model.vision_backbone.featurizer.blocks.0.attn.qkv.lora_A.weight" in names
    assert "base_model.model.language_model.model.layers.0.self_attn.q_proj.lora_B.weight" in names


def test_an_adapter_of_the_original_script_gives_the_same_answers_and_can_be_trained_on(
    make_tiny_model: Callable[[int], OpenVLA], tmp_path: Path
) -> None:
    saved = save_as_the_original_script_did(make_tiny_model(1), tmp_path)
    loaded = load_adapter(make_tiny_model(1), tmp_path)
    torch.testing.assert_close(logits(loaded), logits(saved), rtol=0.05, atol=0.05)
    assert not torch.allclose(logits(loaded), logits(make_tiny_model(1)), rtol=0.05, atol=0.05)
    assert any("lm_head" in name for name in trainable(loaded))
    assert any("patch_embed" in name for name in trainable(loaded))
    loaded(*batch(base_of(loaded))).loss().backward()
    assert all(parameter.grad is not None for parameter in trainable(loaded).values())


def drop_a_tensor(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    weights.pop("base_model.model.projector.fc1.lora_B.weight")
    save_file(weights, folder / WEIGHTS_FILE)


def adapt_a_stranger(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    save_file(weights | {"base_model.model.stranger.lora_A.weight": torch.zeros(1)}, folder / WEIGHTS_FILE)


def leave_nothing(folder: Path) -> None:
    save_file({HEAD_COPY: torch.zeros(1)}, folder / WEIGHTS_FILE)


def say(name: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        raw = json.loads((folder / CONFIG_FILE).read_text())
        (folder / CONFIG_FILE).write_text(json.dumps(raw | {name: value}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(drop_a_tensor, r"projector\.fc1\.lora_B\.weight is missing", id="a tensor is missing"),
        pytest.param(adapt_a_stranger, "stranger", id="another model's module"),
        pytest.param(leave_nothing, "no LoRA weights", id="nothing in it"),
        pytest.param(say("r", 8), "want", id="another rank"),
        pytest.param(say("use_dora", True), "use_dora = True", id="DoRA"),
        pytest.param(say("peft_type", "IA3"), "IA3", id="another method"),
        pytest.param(lambda folder: (folder / CONFIG_FILE).unlink(), "adapter_config", id="no configuration"),
        pytest.param(lambda folder: (folder / CONFIG_FILE).write_text("{}"), "says no", id="empty configuration"),
        pytest.param(lambda folder: (folder / WEIGHTS_FILE).unlink(), "adapter_model", id="no weights"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_by_what_is_wrong(
    damage: Callable[[Path], None], message: str, make_tiny_model: Callable[[int], OpenVLA], tmp_path: Path
) -> None:
    save_adapter(add_lora(make_tiny_model(1), rank=4), tmp_path)
    damage(tmp_path)
    with pytest.raises(TrainerError, match=message) as refusal:
        load_adapter(make_tiny_model(1), tmp_path)
    assert str(tmp_path) in str(refusal.value)
