"""config.json, published and tiny."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vlatrain.errors import TrainerError
from vlatrain.model.config import DINOV2_L, OpenVLAConfig, TextConfig, TowerConfig

PUBLISHED: dict[str, Any] = {
    "arch_specifier": "no-align+fused-gelu-mlp",
    "architectures": ["OpenVLAForActionPrediction"],
    "auto_map": {"AutoConfig": "configuration_prismatic.OpenVLAConfig"},
    "hf_llm_id": "meta-llama/Llama-2-7b-hf",
    "image_resize_strategy": "resize-naive",
    "image_sizes": [224, 224],
    "llm_backbone_id": "llama2-7b-pure",
    "llm_max_length": 2048,
    "model_type": "openvla",
    "n_action_bins": 256,
    "norm_stats": {},
    "output_projector_states": False,
    "pad_to_multiple_of": 64,
    "pad_token_id": 32000,
    "text_config": {"model_type": "llama", "pad_token_id": 32000, "torch_dtype": "bfloat16", "vocab_size": 32064},
    "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
    "timm_override_act_layers": [None, None],
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1",
    "use_fused_vision_backbone": True,
    "vision_backbone_id": "dinosiglip-vit-so-224px",
}


def test_the_published_file_gives_the_7b_with_the_defaults_that_it_leaves_out() -> None:
    config = OpenVLAConfig.from_dict(PUBLISHED)
    assert config == OpenVLAConfig()
    assert (config.text.rms_norm_eps, config.text.rope_theta) == (1e-6, 1e4)
    assert (config.n_patches, config.image_size, config.action_vocab_end, config.pad_token_id) == (
        256,
        224,
        32000,
        32000,
    )


def test_an_epsilon_that_the_file_does_say_is_taken() -> None:
    raw = PUBLISHED | {"text_config": PUBLISHED["text_config"] | {"rms_norm_eps": 1e-5}}
    assert OpenVLAConfig.from_dict(raw).text.rms_norm_eps == 1e-5


def test_a_tiny_configuration_survives_being_written_and_read(tiny_config: OpenVLAConfig, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tiny_config.to_dict()))
    assert OpenVLAConfig.from_json_file(path) == tiny_config


def test_towers_say_their_stems_and_those_without_do_not_mention_them(
    tiny_config: OpenVLAConfig, stemmed_config: OpenVLAConfig, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(stemmed_config.to_dict()))
    assert OpenVLAConfig.from_json_file(path) == stemmed_config
    assert json.loads(path.read_text())["vision_dimensions"]["featurizer"]["stem_widths"] == [6, 8]
    assert "stem_widths" not in json.dumps(tiny_config.to_dict())


@pytest.mark.parametrize("stem", ["conv", [8, "8"], [0, 8], 4], ids=["a word", "a word in it", "none", "a number"])
def test_a_stem_that_is_no_list_of_widths_is_refused(stem: object, stemmed_config: OpenVLAConfig) -> None:
    raw = stemmed_config.to_dict()
    raw["vision_dimensions"]["featurizer"]["stem_widths"] = stem
    with pytest.raises(TrainerError, match=r"stem_widths .*: a list of numbers of channels"):
        OpenVLAConfig.from_dict(raw)


def test_the_7b_is_written_without_dimensions_that_the_original_programs_do_not_know() -> None:
    written = OpenVLAConfig().to_dict()
    assert "vision_dimensions" not in written
    assert {
        name: written[name] for name in ("model_type", "timm_model_ids", "pad_to_multiple_of", "n_action_bins")
    } == {name: PUBLISHED[name] for name in ("model_type", "timm_model_ids", "pad_to_multiple_of", "n_action_bins")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"llm_backbone_id": "vicuna-v15-7b"}, "openvla-v01", id="v01 by its decoder"),
        pytest.param({"use_fused_vision_backbone": False}, "openvla-v01", id="v01 by its single tower"),
        pytest.param({"model_type": "llava"}, "'llava'", id="another model"),
        pytest.param({"arch_specifier": "linear"}, "'linear'", id="another projector"),
        pytest.param({"timm_model_ids": ["vit_tiny"]}, "vit_tiny", id="unknown towers"),
        pytest.param({"image_sizes": [384, 384]}, "384", id="another picture size"),
        pytest.param({"text_config": {"num_key_value_heads": 8}}, "num_key_value_heads = 8", id="grouped queries"),
        pytest.param({"text_config": {"tie_word_embeddings": True}}, "tie_word_embeddings", id="tied head"),
        pytest.param({"text_config": {"hidden_size": 100}}, "100", id="odd head size"),
        pytest.param({"text_config": {"vocab_size": 256}}, "256", id="no room for actions"),
        pytest.param({"vision_dimensions": {"featurizer": {"depths": 3}}}, "depths", id="misspelt dimension"),
    ],
)
def test_what_is_not_supported_is_refused_by_file_and_field(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(PUBLISHED | change))
    with pytest.raises(TrainerError) as refusal:
        OpenVLAConfig.from_json_file(path)
    assert str(path) in str(refusal.value)
    assert message in str(refusal.value)


def test_key_value_heads_equal_to_the_heads_are_no_grouping() -> None:
    raw = PUBLISHED | {"text_config": {"num_key_value_heads": 32, "vocab_size": 32064}}
    assert OpenVLAConfig.from_dict(raw).text == TextConfig()


@pytest.mark.parametrize("content", ["", "{", "[]"], ids=["empty", "cut", "a list"])
def test_a_file_that_is_no_configuration_is_refused_by_name(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(TrainerError, match=r"config\.json"):
        OpenVLAConfig.from_json_file(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"config\.json: cannot be read"):
        OpenVLAConfig.from_json_file(tmp_path / "config.json")


@pytest.mark.parametrize(
    "change",
    [{"patch_size": 15}, {"heads": 15}, {"depth": 1}, {"stem_widths": (8, 8, 8)}],
    ids=["patches", "heads", "too shallow", "a stem that halves to other patches"],
)
def test_impossible_towers_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TrainerError):
        replace(DINOV2_L, **change)


def test_towers_that_cut_the_picture_differently_are_refused(tiny_config: OpenVLAConfig) -> None:
    other = TowerConfig(image_size=28, patch_size=7, width=16, depth=3, heads=2, mlp_width=32)
    with pytest.raises(TrainerError, match="same number of patches"):
        replace(tiny_config, fused_featurizer=other)
