"""Predicted memory and time, against the real model where that can be counted without a GPU."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.configuration.speed import BasePrecision, Switch
from vlatrain.errors import ConfigError
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA, OpenVLAConfig
from vlatrain.planning.answer import answer, as_text, chosen_card
from vlatrain.planning.cards import CARDS, card_here, card_named
from vlatrain.planning.measured import FILE, Measured, Pace, as_json, measured
from vlatrain.planning.memory import account
from vlatrain.planning.plan import Plan, plan, remedies
from vlatrain.planning.sizes import sizes_of
from vlatrain.planning.speed import Speed, step_operations
from vlatrain.planning.used import Launching
from vlatrain.tools.cli import main

SIZES = sizes_of(OpenVLAConfig(), text_tokens=34)
CONFIGS = Path(__file__).parents[3] / "configs"


def planned(card: str = "H200", nproc: int = 1, **settings: Any) -> Plan:
    return plan(FinetuneConfig(**{"lora_rank": 16, "eval_every_steps": 5000, **settings}), SIZES, CARDS[card], nproc)


def total(**settings: Any) -> int:
    return planned(**settings).account.total_bytes


@pytest.mark.parametrize("which", ["published", "tiny", "two pictures and a state", "stems"])
def test_parameters_are_counted_as_the_model_has_them(
    which: str, tiny_config: OpenVLAConfig, stemmed_config: OpenVLAConfig
) -> None:
    two = replace(tiny_config, pictures=2, state_size=8)
    config = {"published": OpenVLAConfig(), "tiny": tiny_config, "stems": stemmed_config}.get(which, two)
    with torch.device("meta"):
        adapted = add_lora(OpenVLA(config), rank=8)
    learning = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    assert sizes_of(config).lora(8) == learning
    assert sizes_of(config).parameters == sum(parameter.numel() for parameter in adapted.parameters()) - learning


def test_operations_of_a_step_are_those_of_the_published_sizes() -> None:
    """137.8 TFLOP for 16 samples at rank 32, last blocks and most logits left out; 4 a frozen weight and place."""
    operations = 16 * step_operations(FinetuneConfig(lora_rank=32), SIZES)
    assert operations == pytest.approx(137.8e12, rel=0.01)
    again = 16 * step_operations(FinetuneConfig(lora_rank=32, activation_checkpointing=Checkpointing.FULL), SIZES)
    assert again == pytest.approx(1.5 * operations, rel=0.02)


def test_parts_add_up_and_hold_what_they_are_named_after() -> None:
    parts = {part.name: part.size_bytes for part in planned(batch_size=2).account.parts}
    assert sum(parts.values()) == planned(batch_size=2).account.total_bytes
    assert parts["base model, bf16"] == 15_082_474_368
    assert parts["adapters: weights, gradients, moments in fp32"] == 16 * SIZES.lora(16)
    assert any(name.startswith("activations of 2 samples, all kept") for name in parts)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"batch_size": 4}, {"batch_size": 8}),
        ({"lora_rank": 16}, {"lora_rank": 32}),
        ({"activation_checkpointing": Checkpointing.FULL}, {"activation_checkpointing": Checkpointing.BLOCKS}),
        ({"activation_checkpointing": Checkpointing.BLOCKS}, {"activation_checkpointing": Checkpointing.NONE}),
        ({"use_quantization": True}, {}),
        ({"precision": Precision.BF16}, {"precision": Precision.FP32}),
        ({"nproc": 2, "sharding": Sharding.FULL}, {"nproc": 2, "compile": Switch.OFF}),
        ({"nproc": 8, "sharding": Sharding.FULL}, {"nproc": 2, "sharding": Sharding.FULL}),
        ({"use_lora": True}, {"use_lora": False}),
        ({"batch_size": 1}, {"batch_size": 1, "enable_periodic_eval": True, "eval_batch_size": 64}),
    ],
)
def test_what_saves_memory_is_predicted_to(less: dict[str, Any], more: dict[str, Any]) -> None:
    assert total(**less) < total(**more)


def test_evaluation_counts_only_where_it_needs_more_than_training() -> None:
    assert total(batch_size=16, enable_periodic_eval=True) == total(batch_size=16)


def test_a_card_without_bf16_is_planned_in_fp16() -> None:
    assert planned("V100").precision == "fp16"
    assert planned("A100").precision == "bf16"


@pytest.mark.parametrize(
    ("card", "nproc", "settings"),
    [
        ("4090", 1, {"batch_size": 8}),
        ("V100-16GB", 8, {"batch_size": 1, "grad_accumulation_steps": 8}),
        ("A100", 8, {"batch_size": 64}),
        ("4090", 1, {"batch_size": 1, "enable_periodic_eval": True, "eval_batch_size": 64}),
        ("H200", 8, {"batch_size": 8, "use_lora": False}),
    ],
)
def test_what_is_proposed_fits_and_takes_as_many_samples_a_step(
    card: str, nproc: int, settings: dict[str, Any]
) -> None:
    failing = planned(card, nproc, **settings)
    assert not failing.fits
    found = remedies(failing, SIZES)
    assert found
    for one in found:
        assert one.plan.fits
        assert samples(one.plan) == samples(failing)
        assert one.changes
    rates = [one.plan.speed.samples_per_s / one.plan.nproc for one in found]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("settings", [{"method_enabled": True}, {"ema_decay": 0.9}], ids=str)
def test_nothing_is_proposed_that_a_run_would_refuse(settings: dict[str, Any]) -> None:
    plain, failing = (planned("V100-16GB", 8, batch_size=1, **more) for more in ({}, settings))
    assert any("--sharding full" in one.changes for one in remedies(plain, SIZES, most=100))
    found = remedies(failing, SIZES, most=100)
    assert found
    assert not any("--sharding full" in one.changes for one in found)


def samples(made: Plan) -> int:
    return made.config.batch_size * made.config.grad_accumulation_steps * made.nproc


def test_where_nothing_helps_nothing_is_proposed() -> None:
    failing = planned("T4", use_lora=False, batch_size=1)
    assert remedies(failing, SIZES) == []


def test_the_time_of_a_step_grows_with_its_samples_and_falls_with_the_card() -> None:
    assert planned(batch_size=16).speed.step_s > planned(batch_size=8).speed.step_s
    assert planned("4090", batch_size=2).speed.step_s > planned("H200", batch_size=2).speed.step_s
    doubled = planned(batch_size=2, grad_accumulation_steps=8).speed.step_s
    assert doubled == pytest.approx(2 * planned(batch_size=2, grad_accumulation_steps=4).speed.step_s)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("4090", "4090"),
        ("NVIDIA GeForce RTX 4090", "4090"),
        ("Tesla V100-SXM2-32GB", "V100"),
        ("Tesla V100-SXM2-16GB", "V100-16GB"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100-PCIE-40GB", "A100-40GB"),
        ("nvidia h200", "H200"),
        ("NVIDIA RTX A6000", "A6000"),
        ("NVIDIA L40S", "L40S"),
    ],
)
def test_a_card_is_known_by_what_its_driver_calls_it(text: str, name: str, tmp_path: Path) -> None:
    assert card_named(text).name == name
    folder = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text(f"Model: \t\t {text}\nIRQ:   1\n")
    found = card_here(tmp_path)
    assert found is not None
    assert found.name == name


def test_the_card_is_the_one_asked_for_else_this_machine_s_else_the_profile_s(tmp_path: Path) -> None:
    config = FinetuneConfig(server_profile="v100_8gpu")
    assert chosen_card("4090", config, tmp_path).name == "4090"
    assert chosen_card(None, config, tmp_path).name == "V100"
    with pytest.raises(ConfigError, match="for which card"):
        chosen_card(None, FinetuneConfig(), tmp_path)
    with pytest.raises(ConfigError, match="--card gtx: unknown; there are V100"):
        chosen_card("gtx", config, tmp_path)


def test_a_configuration_is_planned_with_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(CONFIGS / "baseline_lora.yaml"), "--server_profile", "v100_8gpu", "--card", "V100-16GB"]
    text, fits = answer(words, {"HOME": str(tmp_path)}, tmp_path)
    assert not fits
    assert text.startswith("openvla/openvla-7b on 8 x V100-16GB (16.9 GB each), fp16, batch 1 x 8 x 8\n")
    assert "(openvla/openvla-7b is not here: the sizes of OpenVLA-7B are taken)" in text
    assert "does not fit" in text
    assert "What would fit:\n  --" in text
    told = json.loads(answer([*words, "--json"], {"HOME": str(tmp_path)}, tmp_path)[0])
    assert (told["fits"], told["nproc"], told["precision"]) == (False, 8, "fp16")
    assert sum(told["parts"].values()) == told["total_bytes"] > told["memory_bytes"]
    assert told["remedies"][0]["changes"]


def test_a_base_model_that_is_here_is_planned_by_its_own_sizes(tiny_folder: Path, tmp_path: Path) -> None:
    text, fits = answer(["--vla_path", str(tiny_folder), "--card", "4090"], {}, tmp_path)
    assert fits
    assert "are taken" not in text


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--card", "4090"], 0, ""),
        (["--card", "4090", "--batch_size", "64"], 1, ""),
        (["--card"], 2, "vlatrain plan: --card: expected one argument"),
        (["--card", "4090", "--batch_sise", "2"], 2, "did you mean batch_size?"),
        (["--device", "cpu", "--card", "4090"], 2, "--device cpu: a plan is for GPUs"),
        (["--card", "V100", "--precision", "bf16"], 2, "--precision bf16: V100 has no bf16 arithmetic"),
        (["--card", "A100", "--base_precision", "fp8"], 2, "--base_precision fp8: A100 has no fp8 products"),
        (["--card", "H200", "--base_precision=nf4", "--sharding=full"], 2, "in 4 bits is not spread over ranks"),
    ],
)
def test_the_tool_exits_by_whether_it_fits(
    words: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--batch_size", "2", "--lora_rank", "16", *words]) == status
    assert told in capsys.readouterr().err


def test_planning_changes_nothing_of_the_configuration() -> None:
    config = FinetuneConfig(batch_size=64)
    before = replace(config)
    failing = plan(config, SIZES, CARDS["4090"], 1)
    remedies(failing, SIZES)
    assert config == before
    assert account(config, SIZES, Precision.BF16, 1, measured(), failing.card) == failing.account


def test_the_measured_constants_survive_their_file() -> None:
    assert as_json(measured()) == FILE.read_text()
    for pace in measured().paces.values():
        assert 0 < pace.achieved < 1
        assert 0 <= pace.unhidden <= 1


def test_the_longer_of_what_host_and_device_need_is_the_step() -> None:
    """Small batches wait for the host: a faster card helps large ones only."""
    slow = Pace(launch_s=0.004, again_s=0.004, unhidden=0.5, achieved=0.5)
    slow_host = replace(measured(), paces=dict.fromkeys(Launching, slow))
    seconds = [planned_with(slow_host, card, batch) for card in ("H200", "B200") for batch in (1, 2, 64)]
    assert seconds[0] == seconds[1] == seconds[3] == seconds[4]
    assert seconds[5] < 0.6 * seconds[2]


def planned_with(known: Measured, card: str, batch: int) -> float:
    return plan(FinetuneConfig(batch_size=batch, cuda_graph=Switch.OFF), SIZES, CARDS[card], 1, known).speed.step_s


def test_passes_compiled_blocks_are_foretold_faster_than_plain_ones() -> None:
    """Measured on an H200: batch 16 at r=32 takes 0.285 s so, with a base in fp8 0.202 s, the plain path 0.478 s."""

    def foretold(card: str = "H200", **settings: object) -> Speed:
        return planned(card, 1, **{"batch_size": 16, "lora_rank": 32, **settings}).speed

    assert foretold().step_s == pytest.approx(0.285, rel=0.05)
    assert foretold(base_precision=BasePrecision.FP8).step_s == pytest.approx(0.202, rel=0.05)
    plain = foretold(compile=Switch.OFF, cuda_graph=Switch.OFF).step_s
    assert plain == pytest.approx(0.478, rel=0.1)
    assert max(foretold().step_s, foretold(cuda_graph=Switch.OFF).step_s) < 0.7 * plain
    assert not foretold(activation_checkpointing=Checkpointing.FULL).is_replayed
    assert not foretold("V100").is_replayed


def test_a_base_in_fp8_fits_a_small_card_once_and_a_large_one_twice() -> None:
    config = FinetuneConfig(base_precision=BasePrecision.FP8, batch_size=1)
    small, large = (plan(config, SIZES, CARDS[name], 1).account.parts[0] for name in ("4090", "H100"))
    assert (small.name, large.name) == (
        "base model, decoder in fp8, the rest bf16",
        "base model, decoder in fp8 and its transpose, the rest bf16",
    )
    assert large.size_bytes - small.size_bytes == SIZES.decoder.count * SIZES.decoder.weights


def test_with_levers_memory_is_what_was_measured_with_them() -> None:
    """On an H200, at r=32."""
    for batch, held_gb in ((4, 27.66), (8, 35.54), (16, 49.09), (32, 78.13)):
        assert total(lora_rank=32, batch_size=batch) == pytest.approx(held_gb * 1e9, rel=0.05)
    settings: dict[str, Any] = {"lora_rank": 32, "batch_size": 16}
    assert total(**settings) < total(**settings, compile=Switch.OFF) < total(**settings, fused_lora=Switch.OFF)


def test_a_base_in_fp8_is_proposed_on_cards_that_multiply_in_it_and_refused_on_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings: dict[str, Any] = {"batch_size": 2, "enable_periodic_eval": False}
    changes = [one.changes for one in remedies(planned("4090", **settings), SIZES, most=100)]
    assert any("--base_precision fp8" in one for one in changes)
    others = [one.changes for one in remedies(planned("3090", **settings), SIZES, most=100)]
    assert not any("--base_precision fp8" in one for one in others)
    assert main(["plan", "--card", "A100", "--base_precision", "fp8"]) == 2
    assert "--base_precision fp8: A100 has no fp8 products; take bf16 or nf4" in capsys.readouterr().err


@pytest.mark.parametrize(("max_steps", "told"), [(1000, "; 1000 steps 6 min"), (100_000, "; 100000 steps 10 h")])
def test_the_time_of_a_run_is_told_in_a_unit_that_fits(max_steps: int, told: str) -> None:
    made = replace(planned("H200", max_steps=max_steps), speed=Speed(step_s=0.36, samples_per_s=40))
    assert any(line.endswith(told) for line in as_text(made, [], []).splitlines())
