"""Which levers a run uses, and what it says of the others."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.configuration.resolve import resolve
from vlatrain.configuration.speed import LEVERS, BasePrecision, Switch
from vlatrain.errors import ConfigError
from vlatrain.fast.levers import Arithmetic, Levers, Place, levers

CONFIGS = Path(__file__).parents[3] / "configs"
H200 = Place(arithmetic=Arithmetic.BF16, capability=(9, 0))
V100 = Place(arithmetic=Arithmetic.FP16, capability=(7, 0))
CPU = Place(arithmetic=Arithmetic.FP32)
SEVERAL = Place(arithmetic=Arithmetic.BF16, capability=(9, 0), world_size=2)


def used(place: Place, **settings: Any) -> Levers:
    return levers(FinetuneConfig(**settings), place)


def test_a_new_card_gets_all_levers() -> None:
    assert str(used(H200)) == (
        "fused_lora on, compile on, cuda_graph on, grouped_lora on, joint_gradients on, "
        "fp8_kernels off (the base is not in fp8), answer_kernels on"
    )


def test_over_a_base_in_fp8_adapters_are_columns_where_its_kernels_are_used_or_when_asked() -> None:
    over_fp8 = used(H200, base_precision=BasePrecision.FP8)
    assert (over_fp8.fp8_kernels, over_fp8.grouped_lora, over_fp8.joint_gradients) == (True, True, True)
    without = {"base_precision": BasePrecision.FP8, "fp8_kernels": Switch.OFF}
    found = used(H200, **without)
    assert (found.cuda_graph, found.grouped_lora, found.joint_gradients) == (True, False, False)
    assert dict(found.reasons)["grouped_lora"].startswith("over a base in fp8 it gains nothing without fp8_kernels")
    assert used(H200, **without, grouped_lora=Switch.ON).grouped_lora
    assert not used(replace(H200, has_triton=False), base_precision=BasePrecision.FP8).grouped_lora


def test_a_cpu_gets_the_adapters_only_and_is_told_why() -> None:
    assert str(used(CPU)).startswith("fused_lora on, compile off (no GPU), cuda_graph off (no GPU)")


def test_an_old_card_is_told_why_it_gets_none() -> None:
    found = used(V100)
    assert not any(getattr(found, name) for name in LEVERS)
    assert dict(found.reasons)["fused_lora"] == "fp16 needs autocast"


@pytest.mark.parametrize(
    ("settings", "lever", "reason"),
    [
        ({"lora_dropout": 0.1}, "fused_lora", "lora_dropout is not 0"),
        ({"use_lora": False}, "fused_lora", "all weights are trained"),
        ({"use_quantization": True}, "fused_lora", "a base in 4 bits has adapters of its own"),
        ({"activation_checkpointing": Checkpointing.BLOCKS}, "cuda_graph", "activation_checkpointing is not none"),
        ({"fused_lora": Switch.OFF}, "compile", "fused_lora is off"),
        ({"fused_lora": Switch.OFF}, "cuda_graph", "fused_lora is off"),
        ({"grouped_lora": Switch.AUTO, "cuda_graph": Switch.OFF}, "grouped_lora", "cuda_graph is off"),
        ({"grouped_lora": Switch.AUTO, "lora_rank": 12}, "grouped_lora", "lora_rank is no multiple of 8"),
        ({"grouped_lora": Switch.OFF}, "joint_gradients", "grouped_lora is off"),
        ({}, "fp8_kernels", "the base is not in fp8"),
        (
            {"base_precision": BasePrecision.FP8, "grouped_lora": Switch.OFF},
            "fp8_kernels",
            "grouped_lora is off",
        ),
        (
            {"answer_kernels": Switch.AUTO, "cuda_graph": Switch.OFF},
            "answer_kernels",
            "answers are not captured: cuda_graph or fused_lora is off",
        ),
    ],
)
def test_a_setting_that_forbids_a_lever_is_named(settings: dict[str, Any], lever: str, reason: str) -> None:
    found = used(H200, **settings)
    assert not getattr(found, lever)
    assert dict(found.reasons)[lever] == reason


SPREAD = "the base model is spread over the ranks"


@pytest.mark.parametrize(
    ("place", "settings", "reasons"),
    [
        (V100, {}, {"fused_lora": "fp16 needs autocast", "compile": "the card's compute capability is below 7.5"}),
        (CPU, {}, {"compile": "no GPU", "cuda_graph": "no GPU", "answer_kernels": "no GPU"}),
        (SEVERAL, {"sharding": Sharding.FULL}, {"compile": SPREAD, "cuda_graph": SPREAD, "answer_kernels": SPREAD}),
        (H200, {"lora_dropout": 0.05}, {"fused_lora": "lora_dropout is not 0", "compile": "fused_lora is off"}),
    ],
    ids=["V100", "CPU", "FSDP", "dropout"],
)
@pytest.mark.parametrize("wish", [Switch.AUTO, Switch.ON])
def test_what_forbids_a_lever_is_said_or_refused(
    place: Place, settings: dict[str, Any], reasons: dict[str, str], wish: Switch
) -> None:
    """One wish at a time: auto trains without it and says why, on refuses in the same words."""
    for name, reason in reasons.items():
        if wish is Switch.ON:
            with pytest.raises(ConfigError, match=f"--{name} on: {re.escape(reason)}; set it auto or off"):
                used(place, **settings, **{name: Switch.ON})
        else:
            found = used(place, **settings, **{name: Switch.AUTO})
            assert not getattr(found, name)
            assert f"{name} off ({reason})" in str(found)


def test_a_base_of_a_single_rank_is_not_spread() -> None:
    assert used(H200, sharding=Sharding.FULL).cuda_graph


def test_runs_that_are_to_be_exact_neither_compile_nor_capture_unasked() -> None:
    found = used(H200, deterministic=True)
    assert (found.fused_lora, found.compile, found.cuda_graph) == (True, False, False)
    assert used(H200, deterministic=True, compile=Switch.ON).compile


def test_a_host_without_a_c_compiler_does_not_compile() -> None:
    bare = Place(arithmetic=Arithmetic.BF16, capability=(9, 0), has_c_compiler=False)
    assert "compile off (there is no C compiler (gcc or clang)), cuda_graph on" in str(used(bare))


@pytest.mark.parametrize(
    ("settings", "place", "is_captured"),
    [
        ({}, H200, True),
        ({"deterministic": True, "activation_checkpointing": Checkpointing.FULL}, H200, True),
        ({}, Place(arithmetic=Arithmetic.BF16, capability=(9, 0), world_size=2), True),
        ({"sharding": Sharding.FULL}, Place(arithmetic=Arithmetic.BF16, capability=(9, 0), world_size=2), False),
        ({"cuda_graph": Switch.OFF}, H200, False),
        ({"fused_lora": Switch.OFF}, H200, False),
        ({}, CPU, False),
    ],
)
def test_answers_are_captured_wherever_a_rank_gives_them_by_itself(
    settings: dict[str, Any], place: Place, is_captured: bool
) -> None:
    assert used(place, **settings).captures_answers is is_captured


def test_several_ranks_capture_passes_only_when_asked() -> None:
    several = Place(arithmetic=Arithmetic.BF16, capability=(9, 0), world_size=2)
    assert not used(several).cuda_graph
    assert used(several).compile
    assert used(several, cuda_graph=Switch.ON).cuda_graph


@pytest.mark.parametrize("name", LEVERS)
def test_what_is_switched_off_is_off_and_needs_no_reason(name: str) -> None:
    found = used(H200, **{name: Switch.OFF})
    assert not getattr(found, name)
    assert name not in dict(found.reasons)


@pytest.mark.parametrize("name", ["compile", "cuda_graph", "answer_kernels"])
def test_asking_for_what_cannot_be_had_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--{name} on: no GPU; set it auto or off"):
        used(CPU, **{name: Switch.ON})


def test_answers_have_their_kernels_wherever_they_are_captured() -> None:
    assert used(H200, base_precision=BasePrecision.FP8).answer_kernels
    assert used(H200, deterministic=True, cuda_graph=Switch.ON).answer_kernels
    assert not used(H200, answer_kernels=Switch.OFF).answer_kernels


def test_whole_models_are_compiled_and_captured_but_their_answers_are_not() -> None:
    found = used(H200, use_lora=False)
    assert (found.compile, found.cuda_graph, found.captures_answers) == (True, True, False)
    assert not used(SEVERAL, use_lora=False).cuda_graph
    exact = used(H200, use_lora=False, deterministic=True)
    assert (exact.compile, exact.cuda_graph) == (False, False)


@pytest.mark.parametrize("recipe", ["libero_small", "libero_small_published"])
def test_recipes_of_small_models_have_what_there_is_on_a_new_card(recipe: str) -> None:
    told = (
        "fused_lora off (all weights are trained), compile on, cuda_graph on, grouped_lora off (fused_lora is off), "
        "joint_gradients off (grouped_lora is off), fp8_kernels off (the base is not in fp8), "
        "answer_kernels off (answers are not captured: cuda_graph or fused_lora is off)"
    )
    assert str(levers(resolve(CONFIGS / f"{recipe}.yaml", {}, {}).config, H200)) == told
    asked = resolve(CONFIGS / f"{recipe}.yaml", {"cuda_graph": "on"}, {}).config
    assert str(levers(asked, SEVERAL)) == told


def test_graphs_do_not_scale_the_loss_of_a_whole_model_in_fp16() -> None:
    turing = Place(arithmetic=Arithmetic.FP16, capability=(7, 5))
    found = used(turing, use_lora=False, compile=Switch.ON)
    assert (found.compile, found.cuda_graph) == (True, False)
    assert dict(found.reasons)["cuda_graph"] == "fp16 scales the loss of a whole model"
    with pytest.raises(ConfigError, match="--grouped_lora on: fused_lora is off"):
        used(H200, use_lora=False, grouped_lora=Switch.ON)
