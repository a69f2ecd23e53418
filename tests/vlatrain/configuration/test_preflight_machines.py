"""What a machine cannot do is told before a model is loaded: too few GPUs, no room for an evaluation, no lever."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vlatrain.configuration import preflight
from vlatrain.configuration.finetune import Device, FinetuneConfig
from vlatrain.configuration.memory import Sharding
from vlatrain.configuration.preflight import check_machine, count_gpus
from vlatrain.configuration.speed import Switch
from vlatrain.errors import ConfigError


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
