"""How far the model has drifted from its frozen teacher: probe batches through the live model, shared among ranks."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import Estimator
from vlatrain.distributed import Ranks
from vlatrain.errors import ConfigError, TrainerError
from vlatrain.method.artifacts import Statistics
from vlatrain.method.covariance import (
    LEAST_TO_SHRINK,
    Covariance,
    distance,
    paired_distance,
    sampling_noise,
    shrunk_distance,
)
from vlatrain.method.probe import ProbeSet, hash_of, probe_batch
from vlatrain.method.states import instruction_states
from vlatrain.model.arithmetic import arithmetic
from vlatrain.model.codec import Codec
from vlatrain.model.openvla import OpenVLA


class Seen(NamedTuple):
    """One measured probe batch: the places of its samples in the probe set, their pooled states [m, layers, D]."""

    places: list[int]
    states: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """The live model as the probe needs it."""

    vla: OpenVLA
    codec: Codec
    device: torch.device
    dtype: torch.dtype

    def states(self, probe: ProbeSet, places: Sequence[int], template: str, statistics: Statistics) -> Tensor:
        """Pooled states fp32 [len(places), layers, D] on the CPU, without dropout; the model's mode stays."""
        layers = statistics.representatives
        batch = probe_batch([probe[place] for place in places], template, self.codec, self.device, self.dtype)
        was_training = self.vla.training
        self.vla.eval()
        try:
            with arithmetic(self.vla, self.device, self.dtype):
                return instruction_states(self.vla, batch, layers, statistics.states_at).cpu()
        finally:
            self.vla.train(was_training)


@dataclass(kw_only=True)
class DriftMeter:
    """Measures the drift. Its only memory is the newest probe batches, of which a window makes one covariance."""

    config: FinetuneConfig
    student: Student
    probe: ProbeSet
    statistics: Statistics
    ranks: Ranks
    noise: float = field(init=False)
    """What the drift of an unchanged model would be measured as, by the chance of the samples alone."""
    recent: deque[Seen] = field(init=False)
    _teachers: list[Covariance] = field(init=False)
    _teacher_states: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.recent = deque(maxlen=self.config.thermostat_window)
        layers = self.statistics.representatives
        is_paired = self.config.thermostat_estimator is Estimator.PAIRED
        self._teachers = [] if is_paired else [self.statistics.covariance(layer) for layer in layers]
        self._teacher_states = paired_states(self.statistics, self.probe) if is_paired else []
        samples = self.batch_size * self.config.thermostat_window
        self.noise = fmean([sampling_noise(teacher, samples) for teacher in self._teachers] or [0.0])

    @property
    def batch_size(self) -> int:
        return min(self.config.probe_batch_size, len(self.probe))

    def measure(self, number: int) -> float:
        """The drift on probe batch `number`: a mean over layers, of which the first rank has the word. Collective."""
        size = self.batch_size
        places = [(number * size + place) % len(self.probe) for place in range(size)]
        self.recent.append(Seen(places, self._shared_states(places)))
        own = fmean(self._distance(place) for place in range(len(self.statistics.representatives)))
        return self.ranks.gather([own])[0][0]

    def _shared_states(self, places: list[int]) -> Tensor:
        """Each rank runs its share of the batch; all know the states of the whole, in the order of the places."""
        ranks = self.ranks
        rows = -(-len(places) // ranks.world_size)
        mine = places[ranks.rank :: ranks.world_size]
        filled = (mine + places)[:rows]  # everybody runs as many, also who has none: a sharded model needs all ranks
        own = self.student.states(self.probe, filled, self.config.prompt_template, self.statistics)
        return torch.stack(ranks.gather_tensors(own), dim=1).flatten(0, 1)[: len(places)]

    def _distance(self, place: int) -> float:
        states = torch.cat([seen.states[:, place] for seen in self.recent])
        match self.config.thermostat_estimator:
            case Estimator.ORIGINAL:
                return distance(states, self._teachers[place])
            case Estimator.SHRINKAGE:
                return shrunk_distance(states, self._teachers[place])
            case Estimator.PAIRED:
                places = [at for seen in self.recent for at in seen.places]
                return paired_distance(states, self._teacher_states[place][places])

    def state_dict(self) -> dict[str, Any]:
        return {"recent": [(seen.places, seen.states) for seen in self.recent]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.recent.clear()
        self.recent.extend(Seen(list(places), states) for places, states in saved["recent"])


def paired_states(statistics: Statistics, probe: ProbeSet) -> list[Tensor]:
    """The teacher's states of these very samples, by layer. Raises TrainerError where they are not known."""
    told = "--thermostat_estimator paired"
    found = [states for layer in statistics.representatives if (states := statistics.states(layer)) is not None]
    if len(found) < len(statistics.representatives):
        raise ConfigError(
            f"{told}: {statistics.folder} was made by the original program, which keeps no states of the teacher; "
            "run `vlad icsm`, or take original or shrinkage",
            "thermostat_estimator",
        )
    names = hash_of(probe[place].name for place in range(len(probe)))
    if names != statistics.meta.get("probe_names_hash"):
        raise TrainerError(
            f"{told}: the statistics in {statistics.folder} were made of other probe samples; set the probe_* fields "
            "as they were, or run `vlad icsm` again"
        )
    return found


def check_size(config: FinetuneConfig, probe: ProbeSet) -> None:
    """Raises ConfigError where so few samples make no covariance of the kind that is asked for."""
    samples = min(config.probe_batch_size, len(probe)) * config.thermostat_window
    if config.thermostat_estimator is Estimator.SHRINKAGE and samples < LEAST_TO_SHRINK:
        raise ConfigError(
            f"--thermostat_estimator shrinkage: {samples} samples (probe_batch_size times thermostat_window) are too "
            f"few, take at least {LEAST_TO_SHRINK}",
            "probe_batch_size",
            "thermostat_window",
        )
