"""GPUs for tests: a file that stands in for the driver, and a folder of leases of the test's own."""

import json
from pathlib import Path
from typing import Any

import pytest
from vlad.host.gpus import PROVIDER_VARIABLE
from vlad.records.gpus import GpuWish

GIB = 2**30


class FakeGpus:
    """The GPUs of a host that is not there; `use` and `hold` say what strangers do on them."""

    def __init__(self, path: Path, count: int) -> None:
        self.file = path / "gpus.json"
        self.locks = path / "gpu-locks"
        self._gpus: list[dict[str, Any]] = []
        self.add(count)

    def add(self, count: int) -> None:
        more = range(len(self._gpus), len(self._gpus) + count)
        facts = {"name": "Fake 4090", "total_bytes": 24 * GIB, "used_bytes": 0}
        self._gpus += [{"index": index, "uuid": f"GPU-{index}", **facts} for index in more]
        self.write()

    def write(self) -> None:
        aside = self.file.with_suffix(".new")
        aside.write_text(json.dumps({"gpus": self._gpus, "driver": "580.1"}))
        aside.rename(self.file)

    def use(self, index: int, gib: float) -> None:
        self._gpus[index]["used_bytes"] = int(gib * GIB)
        self.write()

    def hold(self, index: int, pid: int, gib: float) -> None:
        """A process has memory there."""
        self._gpus[index]["holders"] = [{"pid": pid, "used_bytes": int(gib * GIB)}]
        self.use(index, gib)

    def wish(self, count: int, *among: int) -> GpuWish:
        chosen = tuple(f"GPU-{index}" for index in among)
        return GpuWish(count=count, among=chosen, lock_folder=str(self.locks), free_below_bytes=2 * GIB)


def fake_gpus(path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    """They are what every process of the test reads."""
    gpus = FakeGpus(path, count)
    monkeypatch.setenv(PROVIDER_VARIABLE, str(gpus.file))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path / "config"))
    configuration = path / "config" / "vlad" / "config.yaml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(f"gpus: {{lock_folder: {gpus.locks}}}\n")
    return gpus
