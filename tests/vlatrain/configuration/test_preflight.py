"""What is told to fail before a model is loaded."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vlatrain.configuration import preflight
from vlatrain.configuration.finetune import Device, FinetuneConfig
from vlatrain.configuration.memory import Sharding
from vlatrain.configuration.method import ThermostatMode
from vlatrain.configuration.places import placed
from vlatrain.configuration.preflight import check_files, check_machine, check_room, check_safetensors, count_gpus
from vlatrain.configuration.speed import Switch
from vlatrain.errors import ConfigError


def safetensors(path: Path, size_bytes: int = 8, cut: int = 0) -> None:
    header = json.dumps({"t": {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(size_bytes)
    path.write_bytes(content[: len(content) - cut])


def adapter(folder: Path, rank: int = 32) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    safetensors(folder / "adapter_model.safetensors")
    return folder


def model(folder: Path, **inputs: int) -> None:
    """What a base tells of itself."""
    (folder / "config.json").write_text(json.dumps({"model_type": "openvla", **inputs}))


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    """One whose files are all there."""
    (tmp_path / "base").mkdir()
    model(tmp_path / "base")
    safetensors(tmp_path / "base" / "model.safetensors")
    (tmp_path / "datasets" / "libero_spatial_no_noops").mkdir(parents=True)
    (tmp_path / "datasets" / "libero_spatial_no_noops" / "libero-train.tfrecord-00000-of-00001").touch()
    return placed(
        FinetuneConfig(project_root=tmp_path, vla_path="base", dataset_name="libero_spatial_no_noops"), tmp_path
    )


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
        model(step)
        safetensors(step / "model.safetensors", cut=number == 2)
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
    safetensors(root / "base" / "model.safetensors", cut=1)
    return config


def without_a_shard(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    weight_map = {"a": "model.safetensors", "b": "model-2.safetensors"}
    (root / "base" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return config


def made_for(**inputs: int) -> Break:
    def broken(config: FinetuneConfig, root: Path) -> FinetuneConfig:
        model(root / "base", **inputs)
        return config

    return broken


def made_for_two_cameras_and_gone_on_from(config: FinetuneConfig, root: Path) -> FinetuneConfig:
    (root / "merged").mkdir()
    model(root / "merged", num_images_in_input=2)
    safetensors(root / "merged" / "model.safetensors")
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
    safetensors(folder / "adapter_model.safetensors", cut=3)
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
    safetensors(tmp_path / "x.safetensors")
    check_safetensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("cut", range(0, 70, 3))
def test_a_safetensors_file_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    safetensors(tmp_path / "x.safetensors", cut=cut + 1)
    with pytest.raises(ConfigError):
        check_safetensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("device", "nproc", "gpus", "told"),
    [
        (Device.AUTO, 8, 2, "8 processes on 2 visible GPUs: start 2, or set device cpu"),
        (Device.AUTO, 2, 1, "2 processes on 1 visible GPU: start 1"),
        (Device.CUDA, 1, 0, "--device cuda: no GPU is visible"),
        (Device.AUTO, 1, 0, "no GPU is visible, and openvla/openvla-7b is too large for the CPU"),
    ],
)
def test_a_machine_with_too_few_gpus_is_refused(device: Device, nproc: int, gpus: int, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_machine(FinetuneConfig(device=device), {}, nproc, gpus)


@pytest.mark.parametrize(
    ("device", "nproc", "gpus"), [(Device.CPU, 8, 2), (Device.CPU, 1, 0), (Device.AUTO, 2, 2), (Device.CUDA, 1, 8)]
)
def test_a_machine_that_suffices_passes(device: Device, nproc: int, gpus: int) -> None:
    check_machine(FinetuneConfig(device=device), {}, nproc, gpus)


def test_a_small_model_may_be_trained_without_a_gpu(config: FinetuneConfig) -> None:
    check_machine(config, {}, 2, 0)


def test_a_large_model_is_not_trained_without_a_gpu_unless_asked_for(config: FinetuneConfig) -> None:
    assert config.project_root is not None
    with (config.project_root / "base" / "model.safetensors").open("ab") as file:
        file.truncate(3 * 10**9)
    with pytest.raises(ConfigError, match="too large for the CPU"):
        check_machine(config, {}, 1, 0)
    check_machine(replace(config, device=Device.CPU), {}, 1, 0)


@pytest.mark.parametrize(
    ("target", "nproc", "environ"),
    [("0", 1, {}), ("1", 2, {}), ("3", 1, {"CUDA_VISIBLE_DEVICES": "3"}), ("queue", 99, {})],
    ids=["first", "second of two", "the one visible", "none left"],
)
def test_an_evaluation_that_would_wait_for_trainings_own_gpu_is_refused(
    target: str, nproc: int, environ: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=r"--eval_on .*: training"):
        check_machine(FinetuneConfig(eval_on=target), environ, nproc, 100)


@pytest.mark.parametrize(("target", "environ"), [("1", {}), ("0", {"CUDA_VISIBLE_DEVICES": "3"}), ("cpu", {})])
def test_another_gpu_may_evaluate(target: str, environ: dict[str, str]) -> None:
    check_machine(FinetuneConfig(eval_on=target), environ, 1, 4)


@pytest.mark.parametrize("target", ["queue", "0"])
def test_an_evaluation_on_a_gpu_needs_one_also_where_training_does_not(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "count_gpus", lambda _: 0)
    with pytest.raises(ConfigError, match=f"--eval_on {target}: this host has no GPU; take cpu, or null"):
        check_machine(FinetuneConfig(eval_on=target, device=Device.CPU), {}, 1, 0)
    check_machine(FinetuneConfig(eval_on="cpu", device=Device.CPU), {}, 1, 0)
    monkeypatch.setattr(preflight, "count_gpus", lambda _: 1)
    check_machine(FinetuneConfig(eval_on=target, device=Device.CPU), {}, 1, 0)


@pytest.mark.parametrize(
    ("chosen", "count"), [("0,1,3", 3), ("", 0), ("-1", 0), ("0,-1,2", 1), ("GPU-1a2b, GPU-3c4d", 2), ("NoDevFiles", 0)]
)
def test_visible_gpus_are_counted_as_the_driver_does(chosen: str, count: int) -> None:
    assert count_gpus({"CUDA_VISIBLE_DEVICES": chosen}) == count


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ([], 0),
        (["proc/driver/nvidia/gpus/0000:01:00.0", "proc/driver/nvidia/gpus/0000:02:00.0", "dev/nvidia0"], 2),
        (["dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "dev/nvidia-uvm"], 2),
        (["dev/dxg"], 1),
    ],
)
def test_gpus_are_counted_without_a_driver(tmp_path: Path, files: list[str], count: int) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert count_gpus({}, tmp_path) == count


@pytest.mark.parametrize(
    ("settings", "nproc", "gpus", "told"),
    [
        ({"cuda_graph": Switch.ON}, 1, 0, "--cuda_graph on: no GPU"),
        ({"compile": Switch.ON, "device": Device.CPU}, 1, 8, "--compile on: no GPU"),
        ({"fused_lora": Switch.ON, "lora_dropout": 0.1}, 1, 1, "--fused_lora on: lora_dropout is not 0"),
        (
            {"compile": Switch.ON, "sharding": Sharding.FULL},
            2,
            2,
            "--compile on: the base model is spread over the ranks",
        ),
    ],
)
def test_a_lever_that_cannot_be_had_is_refused_before_anything_is_loaded(
    settings: dict[str, Any], nproc: int, gpus: int, told: str, config: FinetuneConfig
) -> None:
    with pytest.raises(ConfigError, match=f"{told}; set it auto or off"):
        check_machine(replace(config, **settings), {}, nproc, gpus)
    wishes: dict[str, Any] = {name: Switch.AUTO if value is Switch.ON else value for name, value in settings.items()}
    check_machine(replace(config, **wishes), {}, nproc, gpus)
