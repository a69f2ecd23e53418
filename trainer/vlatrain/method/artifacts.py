"""The files of the offline statistics, under the original program's names; those that it wrote itself are read too.

A folder holds meta.json and for each layer L: UL_f.pt and UL_p.pt (fragile and plastic directions as columns), muL.pt
and C_TL.pt (mean and covariance of the pooled states). Ours hold X_TL.pt besides, the pooled states themselves.
"""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vlad.records.files import replace_file

from vlatrain.configuration.method import StatesAt
from vlatrain.errors import TrainerError
from vlatrain.method.covariance import Covariance, MatrixCovariance, SampleCovariance, centre
from vlatrain.method.hsw import Subspace
from vlatrain.method.layers import Groups, numbered
from vlatrain.model.json_files import read_json

META = "meta.json"
MOST_SKEW = 1e-2  # directions that were stored in bf16 are this far from orthonormal, no more
MADE_BY = "run `vlad icsm` with this configuration"


@dataclass(frozen=True, slots=True)
class Statistics:
    """A folder of offline statistics, of a model of `n_layers` layers and width `width`; layers load when asked for."""

    folder: Path
    meta: Mapping[str, Any]
    n_layers: int
    width: int

    @property
    def representatives(self) -> tuple[int, ...]:
        """The layers whose drift is measured. Raises TrainerError for one that the model does not have."""
        told = self.meta.get("group_mapping", {}).get("rep_layers") or Groups.of(self.n_layers).representatives
        return numbered(told, self.n_layers, f"icms_artifact_dir {self.folder}: layer")

    @property
    def states_at(self) -> StatesAt:
        return StatesAt(self.meta.get("states", StatesAt.OUTPUT))

    def subspace(self, layer: int, device: torch.device) -> Subspace:
        """The directions for the gradient at a layer: its own, else those of the layer that speaks for its group.

        Raises TrainerError where there are none, or the files are damaged or of another model.
        """
        source = layer if self._path("U{}_f.pt", layer).is_file() else Groups.of(self.n_layers).representative_of(layer)
        if source is None:
            raise TrainerError(
                f"--hsw_layer_ids {layer}: {self.folder} has no statistics of it, and it is none of the last four, "
                f"which share theirs; set icsm_layer_ids and {MADE_BY}"
            )
        paths = [self._path(name, source) for name in ("U{}_f.pt", "U{}_p.pt")]
        space = Subspace(*(load_tensor(path).float().to(device) for path in paths))
        for path, directions in zip(paths, space, strict=True):
            self._check_width(path, directions.shape[0], directions.dim() == 2)
        _check_orthonormal(paths[0], torch.cat(space, dim=1))
        return space

    def covariance(self, layer: int) -> Covariance:
        """The teacher's covariance at a layer, from its pooled states where they are kept, else from the matrix."""
        states = self.states(layer)
        if states is not None:
            return SampleCovariance(states)
        path = self._path("C_T{}.pt", layer)
        matrix = load_tensor(path)
        self._check_width(path, matrix.shape[0], matrix.dim() == 2 and matrix.shape[0] == matrix.shape[1])
        return MatrixCovariance(matrix)

    def states(self, layer: int) -> Tensor | None:
        """The teacher's pooled states [n, D] in the order of the probe set; None in the original program's folders."""
        path = self._path("X_T{}.pt", layer)
        if not path.is_file():
            return None
        states = load_tensor(path)
        self._check_width(path, states.shape[-1], states.dim() == 2)
        return states

    def _path(self, name: str, layer: int) -> Path:
        return self.folder / name.format(layer)

    def _check_width(self, path: Path, width: int, has_right_form: bool) -> None:
        if not has_right_form or width != self.width:
            raise TrainerError(f"{path}: is not of this model, whose states have {self.width} numbers; {MADE_BY}")


def open_statistics(folder: Path, n_layers: int, width: int) -> Statistics:
    """Raises TrainerError for a folder without readable statistics."""
    if not (folder / META).is_file():
        raise TrainerError(f"icms_artifact_dir {folder}: holds no offline statistics ({META}); {MADE_BY}")
    return Statistics(folder, read_json(folder / META), n_layers, width)


def load_tensor(path: Path) -> Tensor:
    """One tensor of a file. Raises TrainerError naming the file."""
    tensor = load(path)
    if not isinstance(tensor, Tensor):
        raise TrainerError(f"{path} holds {type(tensor).__name__}, not a tensor; {MADE_BY}")
    return tensor


def load(path: Path) -> Any:
    """What a file holds, on the CPU; runs no code from it. Raises TrainerError naming the file."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise TrainerError(f"{path} cannot be read: {str(error).partition(chr(10))[0]}; {MADE_BY}") from error


def _check_orthonormal(path: Path, columns: Tensor) -> None:
    skew = float((columns.T @ columns - torch.eye(columns.shape[1], device=columns.device)).abs().max())
    if skew > MOST_SKEW:
        raise TrainerError(f"{path}: fragile and plastic directions are not orthonormal (off by {skew:.2g}); {MADE_BY}")


def save_layer(folder: Path, layer: int, space: Subspace, states: Tensor) -> None:
    """Writes the files of one layer from its directions and its pooled states [n, D]."""
    centred = centre(states)
    content = {
        "U{}_f.pt": space.fragile,
        "U{}_p.pt": space.plastic,
        "mu{}.pt": states.mean(0),
        "C_T{}.pt": (centred.T @ centred / len(centred)).float(),
        "X_T{}.pt": states,
    }
    for name, tensor in content.items():
        save_whole(tensor.contiguous().cpu(), folder / name.format(layer))


def save_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """To be written last: a folder with it is complete."""
    replace_file(folder / META, json.dumps(meta, indent=2).encode() + b"\n")


def save_whole(content: object, path: Path) -> None:
    """torch.save that leaves either the old file or the new one."""
    aside = path.with_name(f".{path.name}.new")
    torch.save(content, aside)
    aside.replace(path)
