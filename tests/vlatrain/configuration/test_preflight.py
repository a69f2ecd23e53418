"""Files that training would miss, and settings that cannot be had, are told before a model is loaded."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from model_files import write_model_config, write_safetensors
from vlatrain.configuration.finetune import Device, FinetuneConfig
from vlatrain.configuration.memory import Sharding
from vlatrain.configuration.method import ThermostatMode
from vlatrain.configuration.preflight import check_files, check_room, check_safetensors
from vlatrain.errors import ConfigError


def adapter(folder: Path, rank: int = 32) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    write_safetensors(folder / "adapter_model.safetensors")
    return folder


def test_nothing_is_refused_where_everything_is_there(config: FinetuneConfig, tmp_path: Path) -> None:
    check_files(config, {})
    check_files(replace(config, resume_adapter_dir=adapter(tmp_path / "a")), {})
    check_files(replace(config, resume_full_model_dir=tmp_path / "base"), {})


def test_checking_writes_nothing(config: FinetuneConfig, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    check_files(config, {})
    assert sorted(tmp_path.rglob("*")) == before


def test_the_newest_step_of_a_run_s_adapters_is_looked_at(config: FinetuneConfig, tmp_path: Path) -> None:
    adapter(tmp_path / "run" / "step-000900", rank=16)
    adapter(tmp_path / "run" / "step-001000")
    check_files(replace(config, resume_adapter_dir=tmp_path / "run"), {})


def test_of_a_folder_of_whole_models_the_newest_is_looked_at(config: FinetuneConfig, tmp_path: Path) -> None:
    for number, saved_at in ((2, 10.0), (4, 20.0)):
        step = tmp_path / "run" / f"step-{number:06d}"
        step.mkdir(parents=True)
        write_model_config(step)
        write_safetensors(step / "model.safetensors", cut=number == 2)
        (step / "manifest.json").write_text(json.dumps({"saved_at": saved_at, "files": {}}))
    check_files(replace(config, resume_adapter_dir=tmp_path / "run", use_lora=False), {})


def test_data_of_the_embedded_simulator_is_made_on_demand(config: FinetuneConfig, tmp_path: Path) -> None:
    check_files(replace(config, dataset_name="tabletop_new", data_root_dir=tmp_path / "not yet"), {})


def test_a_hub_id_is_left_to_be_downloaded_unless_that_is_forbidden(config: FinetuneConfig) -> None:
    hub = replace(config, vla_path="nobody/no-such-model")
    check_files(hub, {"HF_HUB_OFFLINE": "0"})
    with pytest.raises(ConfigError, match="--vla_path nobody/no-such-model: HF_HUB_OFFLINE is set"):
        check_files(hub, {"HF_HUB_OFFLINE": "1"})


@pytest.mark.parametrize(
    "values", [{"probe_dataset_name": "tabletop_base"}, {"thermostat_mode": ThermostatMode.OFF}], ids=str
)
def test_the_method_needs_its_statistics_and_a_probe_that_is_measured(
    config: FinetuneConfig, tmp_path: Path, values: dict[str, Any]
) -> None:
    check_files(with_statistics(**values)(config, tmp_path), {})


Break = Callable[[FinetuneConfig, Path], FinetuneConfig]


def without(name: str) -> Break:
    def broken(config: FinetuneConfig, root: Path) -> FinetuneConfig:
        (root / name).unlink()
        return config

    return broken


def written(name: str, content: bytes) -> Break:
    def broken(config: FinetuneConfig, root: Path) -> FinetuneConfig:
        (root / name).write_bytes(content)
        return config

    return broken


def truncated(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    write_safetensors(root / "base" / "model.safetensors", cut=1)
    return config


def without_a_shard(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    weight_map = {"a": "model.safetensors", "b": "model-2.safetensors"}
    (root / "base" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return config


def made_for(**inputs: int) -> Break:
    def broken(config: FinetuneConfig, root: Path) -> FinetuneConfig:
        write_model_config(root / "base", **inputs)
        return config

    return broken


def made_for_two_cameras_and_gone_on_from(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    (root / "merged").mkdir()
    write_model_config(root / "merged", num_images_in_input=2)
    write_safetensors(root / "merged" / "model.safetensors")
    return replace(config, resume_full_model_dir=root / "merged")


def setting(**values: Any) -> Break:
    def broken(config: FinetuneConfig, root: Path) -> FinetuneConfig:
        return replace(config, **{name: root / value if "dir" in name else value for name, value in values.items()})

    return broken


def with_statistics(**values: Any) -> Break:
    """A run of the method whose offline statistics are there."""

    def broken(config: FinetuneConfig, root: Path) -> FinetuneConfig:
        (root / "icsm").mkdir()
        (root / "icsm" / "meta.json").touch()
        return replace(config, method_enabled=True, icms_artifact_dir=root / "icsm", **values)

    return broken


def adapter_of_rank_16(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    return replace(config, resume_adapter_dir=adapter(root / "a", rank=16))


def adapter_without_weights(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    folder = adapter(root / "a")
    (folder / "adapter_model.safetensors").unlink()
    return replace(config, resume_adapter_dir=folder)


def damaged_adapter(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    folder = adapter(root / "a")
    write_safetensors(folder / "adapter_model.safetensors", cut=3)
    return replace(config, resume_adapter_dir=folder)


def file_for_a_folder(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    (root / "runs").touch()
    return config


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (setting(vla_path="/no/model"), "--vla_path /no/model: /no/model does not exist"),
        (without("base/config.json"), "is no model, it has no config.json"),
        (without("base/model.safetensors"), "has no *.safetensors"),
        (without_a_shard, "model-2.safetensors: No such file or directory; the model is incomplete"),
        (truncated, "it is damaged, download it again"),
        (written("base/model.safetensors", b"version https://git-lfs"), "is no whole safetensors file"),
        (written("base/model.safetensors", b""), "is no whole safetensors file"),
        (written("base/model.safetensors.index.json", b"{"), "index.json is damaged"),
        (written("base/config.json", b'{"model_type": "llava"}'), "/base/config.json: model_type is 'llava', not"),
        (written("base/config.json", b'{"model_type": "openvla", "use_fused_vision_backbone": false}'), "openvla-v01"),
        (made_for(num_images_in_input=2), "--use_wrist_image false: the base model base was made with it true; set"),
        (made_for(proprio_dim=8), "--use_proprio false: the base model base was made with it true; set it so"),
        (setting(use_wrist_image=True), "--use_wrist_image true: the base model base was made with it false; set"),
        (made_for(num_actions_chunk=8), "--action_chunk 1: the base model base was made for 8; set it so"),
        (made_for_two_cameras_and_gone_on_from, "merged was made with it true; set it so"),
        (setting(data_root_dir="nowhere"), "nowhere: no such folder"),
        (setting(dataset_name="libero_spatial_nonoops"), "did you mean libero_spatial_no_noops?"),
        (setting(dataset_name="droid"), "; there: libero_spatial_no_noops"),
        (setting(dataset_name="tabletop_nwe"), "--dataset_name tabletop_nwe: no such folder"),
        (setting(resume_adapter_dir="nowhere"), "nowhere: no such folder"),
        (setting(resume_adapter_dir="datasets"), "no adapter is there (no adapter_config.json)"),
        (adapter_of_rank_16, "--lora_rank 32: the adapter"),
        (adapter_without_weights, "the adapter has no weights"),
        (damaged_adapter, "it is damaged"),
        (setting(resume_full_model_dir="datasets"), "no model is there (no config.json)"),
        (setting(method_enabled=True), "artifacts/icms_base: holds no offline statistics (meta.json); make them with"),
        (with_statistics(probe_dataset_name="bridge_orig"), "--probe_dataset_name bridge_orig: no such folder"),
        (with_statistics(probe_jsonl=Path("none.jsonl")), "--probe_jsonl none.jsonl: no such file"),
        (setting(sharding=Sharding.FULL, use_lora=False), "--sharding full: a base model in parts trains through LoRA"),
        (setting(sharding=Sharding.FULL, method_enabled=True), "--sharding full: the method measures whole models"),
        (setting(use_quantization=True, device=Device.CPU), "a base model in 4 bits trains on GPUs only"),
        (setting(use_quantization=True, sharding=Sharding.FULL), "a base model in 4 bits is not spread over ranks"),
        (setting(merge_lora_during_training=True, use_lora=False), "without LoRA checkpoints are whole models"),
        (
            setting(enable_periodic_eval=True, save_steps=1000, sim_python="/bin/false"),
            "--eval_task_suite_name libero_spatial: ",
        ),
        (file_for_a_folder, "runs is a file, not a folder"),
    ],
)
def test_each_missing_or_broken_file_is_told_in_one_line(
    config: FinetuneConfig, tmp_path: Path, broken: Break, told: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_files(broken(config, tmp_path), {})
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="is not writable"):
        check_room("run_root_dir", tmp_path / "runs")


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlatrain.configuration.preflight.LEAST_FREE_BYTES", 2**80)
    with pytest.raises(ConfigError, match="MiB are free on its disk; make room"):
        check_room("run_root_dir", tmp_path / "runs")


def test_a_whole_safetensors_file_passes(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x.safetensors")
    check_safetensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("cut", range(0, 70, 3))
def test_a_safetensors_file_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    write_safetensors(tmp_path / "x.safetensors", cut=cut + 1)
    with pytest.raises(ConfigError):
        check_safetensors(tmp_path / "x.safetensors")
