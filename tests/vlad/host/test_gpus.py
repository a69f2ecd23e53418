"""Readings of GPUs: from a file, from a driver of our own making, and in a process that may hang."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from vlad.host.gpu_probe import read_gpus
from vlad.host.gpus import PROVIDER_VARIABLE, FileProvider, GpuHolder, GpusUnreadable, NvmlProvider, gpu_provider


def test_a_file_stands_in_for_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gpus.json"
    gpu = {"index": 0, "uuid": "GPU-a", "used_bytes": 5, "holders": [{"pid": 7, "used_bytes": 5}]}
    file.write_text(json.dumps({"gpus": [gpu], "driver": "580.1"}))
    monkeypatch.setenv(PROVIDER_VARIABLE, str(file))
    for report in (gpu_provider().read(), read_gpus()):
        assert report.driver == "580.1"
        assert [(one.uuid, one.holders) for one in report.gpus] == [("GPU-a", (GpuHolder(pid=7, used_bytes=5),))]


@pytest.mark.parametrize("content", [None, "{", '{"gpus": [{"index": 0}]}'], ids=["missing", "torn", "incomplete"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    file = tmp_path / "gpus.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(PROVIDER_VARIABLE, str(file))
    with pytest.raises(GpusUnreadable, match=str(file)):
        read_gpus()
    with pytest.raises(GpusUnreadable, match=str(file)):
        FileProvider(file).read()


def test_a_driver_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody ever writes into this pipe."""
    pipe = tmp_path / "gpus.json"
    os.mkfifo(pipe)
    monkeypatch.setenv(PROVIDER_VARIABLE, str(pipe))
    with pytest.raises(GpusUnreadable, match="does not answer"):
        read_gpus(patience_s=0.3)


class NvmlError(Exception):
    """What every failure of the fake driver is."""


class NotSupported(NvmlError):
    """The fake card has no such counter."""


def not_supported(*arguments: Any) -> Any:
    raise NotSupported("Not Supported")


def fake_driver(**changes: Any) -> SimpleNamespace:
    """The functions of pynvml that are called, for one card of 24 GB with a process on it."""
    process = SimpleNamespace(pid=41, usedGpuMemory=None)
    memory = SimpleNamespace(total=24 << 30, used=3 << 30)
    driver = SimpleNamespace(
        NVMLError=NvmlError, NVMLError_NotSupported=NotSupported, NVMLError_FunctionNotFound=NotSupported,
        NVMLError_NoPermission=NotSupported, NVML_TEMPERATURE_GPU=0, NVML_MEMORY_ERROR_TYPE_UNCORRECTED=1,
        NVML_VOLATILE_ECC=0, nvmlMemory_v2=2, nvmlInit=lambda: None, nvmlDeviceGetCount=lambda: 1,
        nvmlSystemGetDriverVersion=lambda: "580.1", nvmlSystemGetCudaDriverVersion=lambda: 13010,
        nvmlDeviceGetHandleByIndex=lambda index: index, nvmlDeviceGetUUID=lambda handle: f"GPU-{handle}",
        nvmlDeviceGetName=lambda handle: "NVIDIA GeForce RTX 4090",
        nvmlDeviceGetMemoryInfo=lambda handle, version=None: memory,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=97),
        nvmlDeviceGetTemperature=lambda handle, kind: 71,
        nvmlDeviceGetComputeRunningProcesses=lambda handle: [process],
        nvmlDeviceGetGraphicsRunningProcesses=lambda handle: [],
        nvmlDeviceGetTotalEccErrors=not_supported, nvmlDeviceGetRemappedRows=not_supported,
    )  # fmt: skip
    vars(driver).update(changes)
    return driver


def read_from(driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return NvmlProvider().read()


def test_nvml_is_read_and_what_a_card_does_not_tell_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    report = read_from(fake_driver(), monkeypatch)
    (gpu,) = report.gpus
    assert (report.driver, report.cuda) == ("580.1", "13.1")
    assert (gpu.uuid, gpu.total_bytes, gpu.used_bytes) == ("GPU-0", 24 << 30, 3 << 30)
    assert (gpu.utilisation, gpu.temperature_c, gpu.fault) == (97, 71, "")
    assert gpu.holders == (GpuHolder(pid=41),)
    assert read_from(fake_driver(nvmlDeviceGetUtilizationRates=not_supported), monkeypatch).gpus[0].utilisation is None


def test_what_is_wrong_with_a_card_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = fake_driver(
        nvmlDeviceGetTotalEccErrors=lambda *which: 2, nvmlDeviceGetRemappedRows=lambda handle: (0, 1, 1, 0)
    )
    fault = read_from(driver, monkeypatch).gpus[0].fault
    assert "2 uncorrected memory errors" in fault
    assert "waits for a reset" in fault
    assert "failed" not in fault


def test_a_lost_card_keeps_its_place_in_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(index: int) -> int:
        if index == 0:
            raise NvmlError("GPU is lost")
        return index

    driver = fake_driver(nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetHandleByIndex=handle)
    lost, well = read_from(driver, monkeypatch).gpus
    assert (lost.index, lost.fault) == (0, "GPU is lost")
    assert (well.index, well.uuid) == (1, "GPU-1")


def test_without_a_driver_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise NvmlError("NVML Shared Library Not Found")

    with pytest.raises(GpusUnreadable, match="Shared Library Not Found"):
        read_from(fake_driver(nvmlInit=missing), monkeypatch)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(GpusUnreadable, match="pip install nvidia-ml-py"):
        NvmlProvider().read()


def test_the_fake_driver_has_the_names_of_the_true_one() -> None:
    import pynvml

    missing = [name for name in vars(fake_driver()) if not hasattr(pynvml, name)]
    assert missing == []
