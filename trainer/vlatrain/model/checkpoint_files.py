"""Model folders: config.json, safetensors and preprocessor_config.json, read strictly and written."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vlatrain.errors import TrainerError
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.images import PUBLISHED, PixelConstants
from vlatrain.model.json_files import read_json, write_json
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.tensor_blocks import whole_header

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
SHARD_BYTES = 5_000_000_000
NAMES_SHOWN = 3

Progress = Callable[[int, int], None]


def load_base(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Progress = lambda done, total: None,
    *,
    is_mapped: bool = False,
) -> OpenVLA:
    """The model of a folder, every weight from its files and none left over.

    Tensor after tensor goes from the mapped file straight to the device; `progress` is told bytes done and in all.
    With `is_mapped` weights on the CPU stay views of the files, for whoever takes them elsewhere at once.
    Raises TrainerError naming the first missing or unexpected tensors, wrong shapes and files that are not there.
    """
    config = OpenVLAConfig.from_json_file(folder / "config.json")
    with torch.device("meta"):
        model = OpenVLA(config)
    weights = {name: tensor.to(dtype) for name, tensor in _tensors(folder, torch.device(device), progress, is_mapped)}
    _refuse_difference(folder, model.state_dict(), weights)
    model.load_state_dict(weights, strict=True, assign=True)
    model.name_or_path = str(folder)
    return model


def save_base(
    model: OpenVLA,
    folder: Path,
    constants: PixelConstants = PUBLISHED,
    shard_bytes: int = SHARD_BYTES,
    tensors: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes config.json, preprocessor_config.json and the weights, in shards where they exceed `shard_bytes`.

    `tensors`: what the model's state_dict was earlier, instead of what it is now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", model.config.to_dict())
    write_json(folder / "preprocessor_config.json", constants.to_dict(model.config.image_size))
    weights = {name: tensor.detach().contiguous().cpu() for name, tensor in (tensors or model.state_dict()).items()}
    for name in (SINGLE_FILE, INDEX_FILE):
        (folder / name).unlink(missing_ok=True)  # an older save of the other form would be read instead
    if sum(tensor.nbytes for tensor in weights.values()) <= shard_bytes:
        save_file(weights, folder / SINGLE_FILE, metadata={"format": "pt"})
    else:
        _save_shards(weights, folder, shard_bytes)


def _save_shards(weights: dict[str, Tensor], folder: Path, shard_bytes: int) -> None:
    weight_map: dict[str, str] = {}
    shards = _shards(weights, shard_bytes)
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file_name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(shard, file_name)
    total = sum(tensor.nbytes for tensor in weights.values())
    write_json(folder / INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": weight_map})


def _tensors(folder: Path, device: torch.device, progress: Progress, is_mapped: bool) -> Iterator[tuple[str, Tensor]]:
    paths = weight_files(folder)
    total = sum(entry.size_bytes for path in paths for entry in whole_header(path).entries.values())
    done = 0
    for path in paths:
        for name, tensor in read_tensors(path, device, is_mapped=is_mapped):
            yield name, tensor
            done += tensor.nbytes
            progress(done, total)


def read_tensors(path: Path, device: torch.device, *, is_mapped: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor, one after the other. None is a view of the file, unless `is_mapped` says so: whoever replaces
    the file would kill us.

    Raises TrainerError for a missing, cut or foreign file.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            for name in file.keys():  # noqa: SIM118 -- the handle is no mapping and iterates over nothing
                tensor = file.get_tensor(name)
                yield name, tensor.clone() if tensor.is_cpu and not is_mapped else tensor
    except (OSError, SafetensorError) as error:
        raise TrainerError(f"{path}: cannot be read as safetensors: {error}") from error


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: the single one, else all that the index names.

    Raises TrainerError where one is not there.
    """
    if (single := folder / SINGLE_FILE).exists():
        return [single]
    if not (index := folder / INDEX_FILE).exists():
        raise TrainerError(f"{folder}: holds neither {SINGLE_FILE} nor {INDEX_FILE}")
    names = sorted(set(read_json(index).get("weight_map", {}).values()))
    if absent := [name for name in names if not (folder / name).exists()]:
        raise TrainerError(f"{folder}: {INDEX_FILE} names files that are not there: {_some(absent)}")
    return [folder / name for name in names]


def _refuse_difference(folder: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    misshapen = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "wrong shape": misshapen}
    if said := [f"{len(names)} {kind} ({_some(names)})" for kind, names in faults.items() if names]:
        raise TrainerError(f"{folder}: the weights do not fit config.json: {'; '.join(said)}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")


def _shards(weights: Mapping[str, Tensor], shard_bytes: int) -> list[dict[str, Tensor]]:
    """Neighbours stay together; no shard exceeds `shard_bytes` unless one tensor alone does."""
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in weights.items():
        if shards[-1] and filled + tensor.nbytes > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    return shards
