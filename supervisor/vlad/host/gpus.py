"""The GPUs of this host as NVML tells them, or as a file does that tests and hosts without GPUs name instead."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

PROVIDER_VARIABLE = "VLAD_GPU_PROVIDER"
"""A JSON file in the shape of GpuReport; without it NVML is asked."""

DRIVER_FILES = (Path("/dev/nvidiactl"), Path("/proc/driver/nvidia"), Path("/dev/dxg"))
Value = TypeVar("Value")


class GpusUnreadable(Exception):
    """No GPU can be read here: no driver, no permission, or a driver that does not answer; the message says which."""


class GpuHolder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process that has memory on a GPU; how much is not always told (in containers, say)."""

    pid: int
    used_bytes: int | None = None


class GpuReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU now. None = the card or the driver does not tell; `fault` says what is wrong with the card."""

    index: int
    uuid: str
    name: str = ""
    total_bytes: int = 0
    used_bytes: int = 0
    utilisation: int | None = None
    temperature_c: int | None = None
    holders: tuple[GpuHolder, ...] = ()
    fault: str = ""


class GpuReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All GPUs, in the order of nvidia-smi."""

    gpus: tuple[GpuReading, ...]
    driver: str = ""
    cuda: str = ""


class GpuProvider(Protocol):
    """Where readings come from."""

    def read(self) -> GpuReport:
        """Raises GpusUnreadable."""


class FileProvider:
    """Reads them from a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> GpuReport:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=GpuReport)
        except (OSError, msgspec.DecodeError) as error:
            raise GpusUnreadable(f"{PROVIDER_VARIABLE}={self._path}: {error}") from None


class NvmlProvider:
    """Asks the driver, through nvidia-ml-py."""

    def read(self) -> GpuReport:
        try:
            import pynvml as nvml
        except ImportError:
            raise GpusUnreadable("nvidia-ml-py is not installed: `pip install nvidia-ml-py`") from None
        try:
            nvml.nvmlInit()
            gpus = tuple(_reading(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
            cuda = _or(nvml, 0, nvml.nvmlSystemGetCudaDriverVersion)
            driver = nvml.nvmlSystemGetDriverVersion()
            return GpuReport(gpus=gpus, driver=driver, cuda=f"{cuda // 1000}.{cuda % 1000 // 10}")
        except nvml.NVMLError as error:
            raise GpusUnreadable(f"NVML: {error}") from None


def _reading(nvml: Any, index: int) -> GpuReading:
    """A lost card still has its place in the order, so that the others keep their numbers."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        return GpuReading(
            index=index,
            uuid=nvml.nvmlDeviceGetUUID(handle),
            name=_or(nvml, "", nvml.nvmlDeviceGetName, handle),
            total_bytes=_memory(nvml, handle).total,
            used_bytes=_memory(nvml, handle).used,
            utilisation=_or(nvml, None, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            temperature_c=_or(nvml, None, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            holders=_holders(nvml, handle),
            fault=_fault(nvml, handle),
        )
    except nvml.NVMLError as error:
        return GpuReading(index=index, uuid="", fault=str(error))


def _or(nvml: Any, otherwise: Value, ask: Callable[..., Value], *arguments: Any) -> Value:
    """An answer, or `otherwise` where this card or driver has none."""
    try:
        return ask(*arguments)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NoPermission):
        return otherwise


def _memory(nvml: Any, handle: Any) -> Any:
    """The second version leaves out what the driver reserves for itself; drivers before 510 know the first only."""
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except nvml.NVMLError:
        return nvml.nvmlDeviceGetMemoryInfo(handle)


def _holders(nvml: Any, handle: Any) -> tuple[GpuHolder, ...]:
    computing: list[Any] = _or(nvml, [], nvml.nvmlDeviceGetComputeRunningProcesses, handle)
    drawing: list[Any] = _or(nvml, [], nvml.nvmlDeviceGetGraphicsRunningProcesses, handle)
    used = {process.pid: process.usedGpuMemory for process in (*drawing, *computing)}
    return tuple(GpuHolder(pid=pid, used_bytes=used_bytes) for pid, used_bytes in sorted(used.items()))


def _fault(nvml: Any, handle: Any) -> str:
    """What the card says is wrong with its memory: errors that ECC could not correct, repairs that wait or failed."""
    errors = _or(
        nvml, 0, nvml.nvmlDeviceGetTotalEccErrors, handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        nvml.NVML_VOLATILE_ECC,
    )  # fmt: skip
    rows = _or(nvml, None, nvml.nvmlDeviceGetRemappedRows, handle)
    is_pending = rows is not None and bool(rows[2])
    has_failed = rows is not None and bool(rows[3])
    found = {
        f"{errors} uncorrected memory errors since the driver was loaded": bool(errors),
        "a repair of its memory waits for a reset": is_pending,
        "a repair of its memory failed": has_failed,
    }
    return "; ".join(words for words, is_so in found.items() if is_so)


def has_driver(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether it is worth asking."""
    return bool(environ.get(PROVIDER_VARIABLE)) or any(file.exists() for file in DRIVER_FILES)


def gpu_provider(environ: Mapping[str, str] = os.environ) -> GpuProvider:
    """The one that the environment chooses."""
    chosen = environ.get(PROVIDER_VARIABLE)
    return FileProvider(Path(chosen)) if chosen else NvmlProvider()


def main() -> None:
    """Prints the readings as JSON, or why there are none with exit status 1; `vlad.host.gpu_probe` executes it."""
    try:
        answer = msgspec.json.encode(gpu_provider().read())
    except GpusUnreadable as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(answer)
