"""Paths under project_root, run names, and where the base model lies."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import (
    adapter_folder,
    base_model_folder,
    eval_log_folder,
    placed,
    run_folder,
    run_name,
)
from vlatrain.errors import ConfigError

RELATIVE = FinetuneConfig(project_root=Path("project"), icms_artifact_dir=Path("artifacts/icsm"))


def test_relative_paths_stand_under_the_project_root() -> None:
    config = placed(RELATIVE, Path("/work"))
    root = Path("/work/project")
    assert config.project_root == root
    assert (config.data_root_dir, config.cache_dir, config.tmp_dir) == (root / "datasets", root / "cache", root / "tmp")
    assert (config.run_root_dir, config.adapter_tmp_dir) == (root / "runs", root / "adapter-tmp")
    assert config.icms_artifact_dir == root / "artifacts" / "icsm"
    assert config.eval_log_dir == root / "runs" / "eval_logs"
    assert config.resume_adapter_dir is None


def test_the_working_folder_is_the_default_project_root() -> None:
    assert placed(FinetuneConfig(), Path("/work")).run_root_dir == Path("/work/runs")


def test_an_absolute_path_stays() -> None:
    config = placed(replace(RELATIVE, data_root_dir=Path("/data/sets")), Path("/work"))
    assert config.data_root_dir == Path("/data/sets")


def test_placing_twice_changes_nothing() -> None:
    once = placed(RELATIVE, Path("/work"))
    assert placed(once, Path("/elsewhere")) == once


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (
            FinetuneConfig(
                dataset_name="libero_spatial_no_noops",
                batch_size=2,
                grad_accumulation_steps=8,
                learning_rate=2e-4,
                lora_rank=16,
                run_id_note="method",
            ),
            "openvla-7b+libero_spatial_no_noops+b16+lr-0.0002+lora-r16+dropout-0.0--method--image_aug",
        ),
        (
            FinetuneConfig(vla_path="/models/openvla-7b/", use_lora=False, image_aug=False, learning_rate=1e-5),
            "openvla-7b+droid_wipe+b16+lr-1e-05",
        ),
        (
            FinetuneConfig(use_quantization=True, lora_dropout=0.1),
            "openvla-7b+droid_wipe+b16+lr-0.0005+lora-r32+dropout-0.1+q-4bit--image_aug",
        ),
    ],
)
def test_run_names_are_the_original_s(config: FinetuneConfig, name: str) -> None:
    assert run_name(config) == name


def test_folders_carry_the_run_name() -> None:
    config = placed(RELATIVE, Path("/work"))
    assert run_folder(config) == Path("/work/project/runs") / run_name(config)
    assert adapter_folder(config) == Path("/work/project/adapter-tmp") / run_name(config)
    assert eval_log_folder(config) == Path("/work/project/runs/eval_logs")


def model(folder: Path, *shards: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    weight_map = {f"tensor{number}": shard for number, shard in enumerate(shards)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def test_the_embedded_base_ships_with_the_package() -> None:
    folder = base_model_folder(FinetuneConfig(vla_path="tabletop_base"), {})
    assert folder is not None
    assert (folder.parent.name, folder.name) == ("assets", "tabletop_base")


def test_a_local_base_may_stand_under_the_project_root(tmp_path: Path) -> None:
    folder = model(tmp_path / "models" / "openvla-7b")
    config = FinetuneConfig(vla_path="models/openvla-7b", project_root=tmp_path)
    assert base_model_folder(config, {}) == folder
    assert base_model_folder(replace(config, vla_path=str(folder)), {}) == folder


def test_a_hub_id_is_found_in_a_cache_once_all_shards_are_there(tmp_path: Path) -> None:
    config = FinetuneConfig(vla_path="openvla/openvla-7b", project_root=tmp_path, cache_dir=tmp_path / "cache")
    snapshot = model(tmp_path / "hf" / "hub" / "models--openvla--openvla-7b" / "snapshots" / "abc", "a.safetensors")
    environ = {"HF_HOME": str(tmp_path / "hf")}
    assert base_model_folder(config, environ) is None
    (snapshot / "a.safetensors").touch()
    assert base_model_folder(config, environ) == snapshot


@pytest.mark.parametrize("name", ["/nowhere/openvla-7b", "openvla-7b", "a/b/c", "-x/y"])
def test_what_is_neither_folder_nor_hub_id_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"--vla_path {name}: .* does not exist"):
        base_model_folder(FinetuneConfig(vla_path=name, project_root=tmp_path), {})


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no model, it has no config\.json"):
        base_model_folder(FinetuneConfig(vla_path=str(tmp_path)), {})
