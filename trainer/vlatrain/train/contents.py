"""What a checkpoint holds: weights, optimizer, generators and averages of every rank, statistics; and its files."""

import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from vlad.records.files import write_new

from vlatrain.data.statistics import DatasetStatistics, save_statistics
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.lora import adapter_tensors, save_adapter
from vlatrain.train.checkpoint import STATE
from vlatrain.train.learner import Learner
from vlatrain.train.proprio import head_state, optimizer_state
from vlatrain.train.staging import Staging, fits_in_memory
from vlatrain.train.state import TrainState

TRAINER_STATE = "trainer_state.pt"
SCHEMA = 1
BYTES_PER_WEIGHT = 12  # the weight and two moments in fp32
BYTES_PER_MEAN = 4  # the weights themselves, where their means are saved in their place
SMALL_FILES_BYTES = 4 * 1024 * 1024
FULL_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """Everything of one checkpoint that training is about to change: live, or a copy."""

    state: TrainState
    tensors: dict[str, Any]
    trainer_state: dict[str, Any]

    @property
    def expected_bytes(self) -> int:
        """About what it takes on the disk."""
        weights = sum(int(tensor.numel()) for tensor in self.tensors.values())
        has_means = self.trainer_state["vlatrain"]["trained"] is not None
        return weights * (BYTES_PER_WEIGHT + has_means * BYTES_PER_MEAN) + SMALL_FILES_BYTES

    def copied(self, staging: Staging) -> "Contents | None":
        """Itself in the host's memory, None where that has no room for it."""
        tree = (self.tensors, self.trainer_state)
        if not fits_in_memory(tree, staging):
            return None
        tensors, trainer_state = staging.copied(tree)
        return replace(self, tensors=tensors, trainer_state=trainer_state)


def live_contents(learner: Learner, state: TrainState, rank_states: list[dict[str, Any]]) -> Contents:
    """As things stand now; the first three keys of the trainer's state are the original script's, so that it could go
    on from our checkpoints. Where means of the weights are kept they are the model, and `trained` has the weights.
    """
    adapted, ema = learner.adapted, learner.ema
    method = None if learner.method is None else learner.method.state_dict()
    own = {
        "schema": SCHEMA,
        "ranks": rank_states,
        "scaler": learner.scaler.state_dict(),
        "method": method,
        "proprio_head": head_state(learner),
        "trained": None if ema is None else [one.detach() for one in ema.weights],
    }
    trainer_state = {
        "global_step": state.step,
        "optimizer": optimizer_state(learner),
        "scheduler": {"last_epoch": state.step},
        "vlatrain": own,
    }
    tensors = learner.vla.state_dict() if adapted is None else adapter_tensors(adapted)
    model = tensors if ema is None else ema.instead_of_weights(tensors)
    return Contents(state=state, tensors=model, trainer_state=trainer_state)


def fill(
    folder: Path,
    contents: Contents,
    learner: Learner,
    statistics: Mapping[str, DatasetStatistics],
    state_file: bytes,
    companions: Mapping[str, bytes],
) -> None:
    """Writes all files; a whole model gets its base's `companions` too. Raises OSError for what cannot be written."""
    try:
        if learner.adapted is not None:
            save_adapter(learner.adapted, folder, contents.tensors)
        else:
            save_base(learner.vla, folder, tensors=contents.tensors)
            for name, content in companions.items():
                (folder / name).write_bytes(content)
    except SafetensorError as error:  # how safetensors reports a full disk
        raise OSError(str(error)) from error
    save_torch(contents.trainer_state, folder / TRAINER_STATE)
    save_statistics(folder, dict(statistics))
    write_new(folder / STATE, state_file)


def save_torch(content: dict[str, Any], path: Path) -> None:
    """torch.save that raises OSError where the disk does not take it; torch itself names a place in its sources."""
    try:
        torch.save(content, path)
    except RuntimeError as error:
        if "inline_container" not in str(error) and "PytorchStream" not in str(error):
            raise
        is_full = shutil.disk_usage(path.parent).free < FULL_BYTES
        reason = os.strerror(errno.ENOSPC) if is_full else "no space left, or the disk failed"
        raise OSError(f"{path.name} could not be written whole: {reason}") from error
