"""Reads checkpoints back, ours and the original script's: everything but the weights, which load with the model."""

import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vlatrain.adapters import latest_adapter
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.distributed import Ranks
from vlatrain.errors import TrainerError
from vlatrain.model.json_files import read_json
from vlatrain.train.checkpoint import STATE, latest_checkpoint, verify
from vlatrain.train.contents import SCHEMA, TRAINER_STATE
from vlatrain.train.ema import Ema
from vlatrain.train.learner import Learner
from vlatrain.train.proprio import fits, with_head
from vlatrain.train.reports import Reports
from vlatrain.train.rng import seed_all, set_rng_state
from vlatrain.train.saving import DataMark
from vlatrain.train.state import TrainState


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """Where training stands, and the history that it belongs to if the checkpoint is one of ours."""

    state: TrainState
    lineage: str | None = None


def checkpoint_to_resume(config: FinetuneConfig) -> Path | None:
    """The checkpoint that the configuration names; a folder of several means the one that was saved last."""
    named = config.resume_adapter_dir
    if named is None or any((named / name).is_file() for name in ("adapter_config.json", "config.json")):
        return named
    found = latest_adapter(named)
    return found if found != named else latest_checkpoint(named) or named


def restore(
    learner: Learner,
    folder: Path,
    config: FinetuneConfig,
    ranks: Ranks,
    reports: Reports,
    mark: DataMark,
    samples_per_step: int,
) -> Restored:
    """Puts optimizer, generators and averages back. What an original adapter folder lacks is told in a warning.

    Never runs code from the files. Raises TrainerError for a checkpoint that is damaged or of a newer version.
    """
    if ranks.is_first:
        verify(folder)
    saved = read_trainer_state(folder / TRAINER_STATE)
    ours = saved.get("vlatrain")
    head = None if ours is None else ours.get("proprio_head")
    _restore_optimizer(learner, saved.get("optimizer"), _restored_head(learner, head, folder, reports), folder, reports)
    if ours is not None and (folder / STATE).is_file():
        return _restore_ours(learner, folder, ours, ranks, reports, mark)
    step = _step(saved, config, folder, reports)
    if learner.method is not None:
        learner.method.load(None, [], reports.warn)
    seed_all(mark.seed, ranks.rank, step)
    return Restored(state=TrainState(step=step, position=step * samples_per_step))


def read_trainer_state(path: Path) -> dict[str, Any]:
    """Empty where the adapter comes without one. Runs no code; raises TrainerError for a file that is damaged."""
    if not path.is_file():
        return {}
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise TrainerError(f"{path} cannot be read: {first_line}; resume from another checkpoint") from error
    if not isinstance(saved, dict):
        raise TrainerError(f"{path} holds {type(saved).__name__}, not the state of a trainer")
    return saved


def _step(saved: Mapping[str, Any], config: FinetuneConfig, folder: Path, reports: Reports) -> int:
    told, asked = saved.get("global_step"), config.resume_global_step
    if told is None:
        reports.warn(f"{folder} does not say its step: {asked} is taken (resume_global_step)")
        return asked
    if asked and asked != told:
        reports.warn(f"resume_global_step {asked} is not what {folder / TRAINER_STATE} says: {told} is taken")
    return int(told)


def _restored_head(
    learner: Learner, saved: Mapping[str, Any] | None, folder: Path, reports: Reports
) -> Mapping[str, Any] | None:
    """Loads the weights of the head that foretells the hand's state; what was saved, None where that is not for it."""
    if learner.proprio_head is None:
        return None
    if saved is None or not fits(learner, saved):
        reports.warn(f"what foretells the hand's state starts anew: {folder} was trained without it")
        return None
    learner.proprio_head.load_state_dict(saved["weights"])
    return saved


def _restore_optimizer(
    learner: Learner,
    saved: Mapping[str, Any] | None,
    head: Mapping[str, Any] | None,
    folder: Path,
    reports: Reports,
) -> None:
    """Loads the optimizer's state where it is of the same parameters; otherwise it starts anew, with a warning."""
    reason = "there is none" if saved is None else misfit(learner, saved)
    if reason or saved is None:
        reports.warn(f"the optimizer starts anew, its state was not restored from {folder}: {reason}")
        return
    learner.optimizer.load_state_dict(with_head(learner, saved, head))


def misfit(learner: Learner, saved: Mapping[str, Any]) -> str:
    """Why an optimizer state is not of the parameters that are trained; empty where it is."""
    try:
        names = [name for group in saved["param_groups"] for name in group.get("param_names", ())]
        order = [index for group in saved["param_groups"] for index in group["params"]]
        moments = {index: one["exp_avg"].shape for index, one in saved["state"].items()}
    except (KeyError, TypeError, AttributeError):
        return "it is not of AdamW"
    own_names = [name for group in learner.groups for name in group["param_names"]]
    if len(order) != len(own_names):
        return f"it is of {len(order)} parameters, here {len(own_names)} are trained"
    if names and names != own_names:
        return "it is of other parameters"
    for index, parameter in zip(order, learner.weights, strict=True):
        if moments.get(index, parameter.shape) != parameter.shape:
            return f"parameter {index} is {tuple(moments[index])} there and {tuple(parameter.shape)} here"
    return ""


def _restore_ours(
    learner: Learner, folder: Path, ours: Mapping[str, Any], ranks: Ranks, reports: Reports, mark: DataMark
) -> Restored:
    known = read_json(folder / STATE)
    if known.get("schema", 0) > SCHEMA or ours.get("schema", 0) > SCHEMA:
        raise TrainerError(f"{folder} was written by a newer version: upgrade this one")
    try:
        state = TrainState.from_dict(known["state"])
        other_data = known["data"] != asdict(mark)
        lineage = str(known["lineage"])
    except (KeyError, TypeError) as error:
        raise TrainerError(f"{folder / STATE} cannot be used: {error!r}; resume from another checkpoint") from error
    if other_data:
        reports.warn(f"{folder} was trained on {known['data']}, this run on {asdict(mark)}: the order starts anew")
        state = TrainState(step=state.step, evaluated_step=state.evaluated_step, early_stop=state.early_stop)
    _restore_weights(learner, ours.get("trained"), folder)
    learner.averages.load_states([one["averages"] for one in ours["ranks"]], ranks)
    learner.scaler.load_state_dict(ours["scaler"])
    if learner.method is not None:
        learner.method.load(ours.get("method"), [one.get("method") for one in ours["ranks"]], reports.warn)
    _restore_generators(learner, ours["ranks"], ranks, reports, mark.seed, state.step)
    return Restored(state=state, lineage=lineage)


def _restore_weights(learner: Learner, trained: list[torch.Tensor] | None, folder: Path) -> None:
    """Where means were saved as the model, the weights that training goes on from lie beside it."""
    shapes = [one.shape for one in learner.weights]
    if trained is None:
        return
    if [one.shape for one in trained] != shapes:
        raise TrainerError(f"{folder / TRAINER_STATE}: its weights are not those that are trained here")
    ema = learner.ema or Ema.of(learner.weights, 0.0)
    ema.restore(trained)


def _restore_generators(
    learner: Learner, saved: list[dict[str, Any]], ranks: Ranks, reports: Reports, seed: int, step: int
) -> None:
    if len(saved) == ranks.world_size:
        set_rng_state(saved[ranks.rank]["rng"], learner.device)
        return
    reports.warn(
        f"saved with {len(saved)} ranks, resumed with {ranks.world_size}: every sample is still seen once an epoch, "
        "but dropout draws anew"
    )
    seed_all(seed, ranks.rank, step)
