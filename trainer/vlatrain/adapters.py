"""Adapters on the disk: where they lie, of which step and when they were saved. Loads no torch."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlad.records.torch_file import step_of_trainer_state

from vlatrain.errors import TrainerError
from vlatrain.model.json_files import read_json
from vlatrain.model.tensor_file import read_header
from vlatrain.train.checkpoint import MANIFEST, STATE

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
OLD_WEIGHTS_FILE = "adapter_model.bin"
TRAINER_STATE = "trainer_state.pt"
FILE_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_[AB]\.weight")
PLAIN_LORA = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "use_rslora": False,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
}
STEP_IN_NAME = re.compile(r"(?:step|checkpoint|chkpt)[-_]?(\d+)|(\d+)[-_]chkpt")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundAdapter:
    """An adapter folder; `step` is None where nothing tells it, `saved_at` in Unix seconds."""

    path: Path
    step: int | None
    saved_at: float


def adapters_in(folder: Path) -> list[FoundAdapter]:
    """The adapters of a folder: itself (as the original script saves), and its subfolders; oldest first."""
    folders = [folder, *(path for path in subfolders(folder) if not path.name.startswith("."))]
    found = [adapter for path in folders if (adapter := found_adapter(path)) is not None]
    return sorted(found, key=lambda one: (one.saved_at, one.step or 0))


def latest_adapter(named: Path) -> Path:
    """The folder itself where it holds an adapter, else the one in it that was saved last, else itself."""
    if (named / CONFIG_FILE).is_file():
        return named
    found = adapters_in(named)
    return found[-1].path if found else named


def found_adapter(folder: Path) -> FoundAdapter | None:
    """What a folder tells about the adapter in it; None where there is none."""
    weights = next((folder / name for name in (WEIGHTS_FILE, OLD_WEIGHTS_FILE) if (folder / name).is_file()), None)
    if weights is None or not (folder / CONFIG_FILE).is_file():
        return None
    saved_at = _told(folder / MANIFEST, "saved_at") or weights.stat().st_mtime
    return FoundAdapter(path=folder, step=_step(folder), saved_at=float(saved_at))


def strangeness(adapter: Path, weights: Iterable[Path]) -> str | None:
    """What shows that the adapter in a folder was made for another model than that of these files; None where nothing
    does. Reads headers only; raises OSError and ValueError for files that are no safetensors.
    """
    shapes = {name: one.shape for path in weights for name, one in read_header(path).entries.items()}
    for name, one in read_header(adapter / WEIGHTS_FILE).entries.items():
        if (key := FILE_KEY.fullmatch(name)) is None:
            continue
        shape = shapes.get(f"{key['module']}.weight")
        if shape is None:
            return f"it adapts {key['module']}, which is not there"
        if (one.shape[1:] != shape[1:]) if ".lora_A." in name else (one.shape[0] != shape[0]):
            return f"{key['module']} is {shape} there, and its {name.split('.')[-2]} is {one.shape}"
    return None


def read_plain_config(folder: Path) -> dict[str, Any]:
    """The adapter_config.json of a folder. Raises TrainerError for one that is not of plain LoRA."""
    path = folder / CONFIG_FILE
    raw = read_json(path)
    if absent := {"r", "lora_alpha", "lora_dropout"} - raw.keys():
        raise TrainerError(f"{path}: says no {sorted(absent)[0]}")
    for name, value in PLAIN_LORA.items():
        if (raw.get(name) or value) != value:
            raise TrainerError(f"{path}: {name} = {raw[name]!r} is not supported, only plain LoRA ({value!r})")
    return raw


def _step(folder: Path) -> int | None:
    """As our checkpoints, the original script's trainer_state.pt, or the folder's name tell it."""
    state = _told(folder / STATE, "state")
    if isinstance(state, dict) and isinstance(state.get("step"), int):
        return int(state["step"])
    if (step := step_of_trainer_state(folder / TRAINER_STATE)) is not None:
        return step
    named = STEP_IN_NAME.search(folder.name)
    return int(named[1] or named[2]) if named else None


def _told(path: Path, name: str) -> Any:
    try:
        return read_json(path).get(name)
    except TrainerError:
        return None


def subfolders(folder: Path) -> Iterator[Path]:
    """None where there is no folder, or none that may be read."""
    try:
        yield from (path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return
