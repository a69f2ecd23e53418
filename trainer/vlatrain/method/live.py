"""The method while a run trains: surgeries in the model, the Thermostat between steps, what is told and kept."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import ThermostatMode
from vlatrain.configuration.places import artifact_folder
from vlatrain.distributed import Ranks
from vlatrain.method.artifacts import Statistics, open_statistics
from vlatrain.method.drift import DriftMeter, Student, check_size
from vlatrain.method.hsw import Dials, Norms, Surgeries
from vlatrain.method.layers import LAST, numbered
from vlatrain.method.probe import open_probe
from vlatrain.method.thermostat import ThermostatState, is_measured

log = logging.getLogger(__name__)

Warn = Callable[[str], None]


@dataclass(slots=True)
class LiveMethod:
    """Steers the gradients of one training run. `meter` is None where the drift is not measured."""

    config: FinetuneConfig
    surgeries: Surgeries
    meter: DriftMeter | None
    thermostat: ThermostatState
    ranks: Ranks
    basis_of_drift: list[Any]

    def before_step(self, step: int) -> None:
        """Measures the drift and turns the dials, where that is due before the next update. Collective."""
        if self.meter is None or not is_measured(step, self.config):
            return
        drift = self.meter.measure(self.thermostat.measurements)
        self._set(self.thermostat.after(drift, step, self.config))

    def before_pass(self, scaler: torch.amp.GradScaler) -> None:
        """To be called before each pass forward and backward."""
        self.surgeries.expect_backward(scaler)

    @property
    def changed_by_passes(self) -> list[Tensor]:
        """All tensors that a pass adds to."""
        return [surgery.sums for surgery in self.surgeries.by_layer.values()]

    def _set(self, state: ThermostatState) -> None:
        if (state.beta, state.gamma) != (self.thermostat.beta, self.thermostat.gamma):
            self.surgeries.dials.turn(state.beta, state.gamma)
        self.thermostat = state

    def metrics(self) -> dict[str, float]:
        """What is told of the steps since the last clearing, over all ranks; norms are means. Collective.

        g, g_pre, g_post… are means over layers too; g.30 and g_post.30 are those of layer 30. A norm that overflowed,
        as happens with loss scaling, is left out.
        """
        state = self.thermostat
        noise = None if self.meter is None else self.meter.noise
        told: dict[str, float | None] = {"drift": state.drift, "baseline": state.baseline, "drift_noise": noise}
        told |= {"beta": state.beta, "gamma": state.gamma, **self._norms()}
        return {name: value for name, value in told.items() if value is not None and math.isfinite(value)}

    def _norms(self) -> dict[str, float]:
        by_rank = self.ranks.gather(self.surgeries.sums())
        passes = max(1, self.surgeries.count) * self.ranks.world_size
        means = [sum(column) / passes for column in zip(*by_rank, strict=True)]
        rows = [Norms(*means[at : at + len(Norms._fields)]) for at in range(0, len(means), len(Norms._fields))]
        layers: dict[str, float] = {}
        for layer, row in zip(self.surgeries.by_layer, rows, strict=True):
            layers |= {f"g.{layer}": row.g, f"g_post.{layer}": row.g_post}
        return {
            name: fmean(column) for name, column in zip(Norms._fields, zip(*rows, strict=True), strict=True)
        } | layers

    def clear(self) -> None:
        """Forgets the norms that have been told."""
        self.surgeries.clear()

    def state_dict(self) -> dict[str, Any]:
        """What all ranks share."""
        meter = None if self.meter is None else self.meter.state_dict()
        return {"thermostat": self.thermostat.to_dict(), "meter": meter, "basis_of_drift": self.basis_of_drift}

    def rank_state(self) -> dict[str, Any]:
        """What is each rank's own."""
        return self.surgeries.state_dict()

    def load(self, shared: Mapping[str, Any] | None, of_ranks: Sequence[Mapping[str, Any] | None], warn: Warn) -> None:
        """Goes on from a checkpoint; where that measured the drift otherwise or not at all, anew, with a warning."""
        own = of_ranks[self.ranks.rank] if len(of_ranks) == self.ranks.world_size else None
        if own is not None:
            self.surgeries.load_state_dict(own)
        if self.meter is None:
            return
        if shared is None or shared["meter"] is None or shared["basis_of_drift"] != self.basis_of_drift:
            reason = "measured it in another way" if shared and shared["meter"] else "says nothing of it"
            warn(f"the Thermostat begins anew with the drift: the checkpoint {reason}")
            return
        self.meter.load_state_dict(shared["meter"])
        saved = ThermostatState.from_dict(shared["thermostat"])
        is_steered = self.config.thermostat_mode is ThermostatMode.AUTO
        fixed = self.thermostat
        self._set(saved if is_steered else replace(saved, beta=fixed.beta, gamma=fixed.gamma))


def open_method(config: FinetuneConfig, student: Student, ranks: Ranks, warn: Warn) -> LiveMethod:
    """Puts the surgeries into the model and opens the probe. Raises TrainerError for what the user must put right."""
    text = student.vla.config.text
    statistics = open_statistics(artifact_folder(config), text.num_hidden_layers, text.hidden_size)
    for doubt in doubts(config, statistics):
        warn(doubt)
    dials = Dials(config.hsw_beta, config.hsw_gamma, config.hsw_eps, student.device)
    layers = steered_layers(config, text.num_hidden_layers)
    surgeries = Surgeries({layer: statistics.subspace(layer, student.device) for layer in layers}, dials)
    surgeries.install(student.vla.language_model.model)
    return LiveMethod(
        config=config,
        surgeries=surgeries,
        meter=_meter(config, student, statistics, ranks, warn),
        thermostat=ThermostatState(beta=config.hsw_beta, gamma=config.hsw_gamma),
        ranks=ranks,
        basis_of_drift=[
            str(config.thermostat_estimator),
            [config.thermostat_window, config.probe_batch_size, config.probe_samples, config.probe_seed],
            [statistics.meta.get("probe_hash"), list(statistics.representatives), str(statistics.states_at)],
        ],
    )


def steered_layers(config: FinetuneConfig, n_layers: int) -> tuple[int, ...]:
    """The layers with a surgery, counted from the start; the last four where none are named. Raises ConfigError."""
    asked = config.hsw_layer_ids or tuple(range(max(0, n_layers - LAST), n_layers))
    return numbered(asked, n_layers, "hsw_layer_ids")


def doubts(config: FinetuneConfig, statistics: Statistics) -> list[str]:
    """Where the statistics do not seem to be of this model and these prompts."""
    told = []
    made_of, base = str(statistics.meta.get("vla_path", config.vla_path)), config.vla_path
    if made_of.rstrip("/").rsplit("/", 1)[-1] != base.rstrip("/").rsplit("/", 1)[-1]:
        told.append(f"{statistics.folder} was made of {made_of}, and this run trains {base}")
    template = statistics.meta.get("prompt_template", config.prompt_template)
    if template != config.prompt_template:
        told.append(f"{statistics.folder} was made with prompt_template {template!r}, not {config.prompt_template!r}")
    return told


def _meter(
    config: FinetuneConfig, student: Student, statistics: Statistics, ranks: Ranks, warn: Warn
) -> DriftMeter | None:
    if config.thermostat_mode is ThermostatMode.OFF:
        return None
    probe = open_probe(config, is_first=ranks.is_first, wait_for_all=ranks.wait_for_all)
    check_size(config, probe)
    if probe.warning:
        warn(probe.warning)
    meter = DriftMeter(config=config, student=student, probe=probe, statistics=statistics, ranks=ranks)
    log.info(
        "drift is measured on %d samples; of an unchanged model it would be about %.4g", meter.batch_size, meter.noise
    )
    return meter


def method_line(step: int, rate: float, loss: float, step_s: float, metrics: Mapping[str, float]) -> str:
    """The original script's line of a step; what is not measured is left out."""
    names = {"drift": "d", "baseline": "base", "beta": "beta", "gamma": "gamma", "g": "g", "g_pre": "gpre"}
    names |= {"g_post": "gpost", "g_scale": "scale", "g_fragile": "gf", "g_plastic": "gp", "g_null": "gn"}
    told = " ".join(f"{name} {round(metrics[key], 6)}" for key, name in names.items() if key in metrics)
    return f"[method] step {step} lr {round(rate, 8)} loss {round(loss, 6)} sec/step {round(step_s, 3)} {told}"
