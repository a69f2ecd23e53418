"""The Thermostat: from measured drift to beta and gamma. Pure; the state is a value inside the checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import ThermostatMode


@dataclass(frozen=True, kw_only=True, slots=True)
class ThermostatState:
    """beta and gamma for the next gradient, the last drift, and the drifts of the warm-up added up."""

    beta: float
    gamma: float
    drift: float | None = None
    baseline_sum: float = 0.0
    baseline_count: int = 0
    measurements: int = 0

    @property
    def baseline(self) -> float | None:
        """The mean drift of the warm-up, None before the first measurement."""
        return self.baseline_sum / self.baseline_count if self.baseline_count else None

    def after(self, drift: float, step: int, config: FinetuneConfig) -> "ThermostatState":
        """After a measurement before the update that follows `step` finished ones."""
        measured = replace(self, drift=drift, measurements=self.measurements + 1)
        is_warming_up = step < config.thermostat_warmup_steps
        if is_warming_up or self.baseline is None:
            measured = replace(measured, baseline_sum=self.baseline_sum + drift, baseline_count=self.baseline_count + 1)
        if is_warming_up or config.thermostat_mode is not ThermostatMode.AUTO:
            return measured
        return measured.steered(config)

    def steered(self, config: FinetuneConfig) -> "ThermostatState":
        """beta and gamma as the last drift asks for: the less, the further it is above the baseline."""
        assert self.drift is not None
        excess = max(0.0, self.drift - config.thermostat_base_scale * (self.baseline or 0.0))
        beta = config.thermostat_max_beta / (1 + config.thermostat_k_beta * excess)
        gamma = config.thermostat_max_gamma / (1 + config.thermostat_k_gamma * excess)
        return replace(
            self,
            beta=min(max(beta, config.thermostat_min_beta), config.thermostat_max_beta),
            gamma=min(max(gamma, config.thermostat_min_gamma), config.thermostat_max_gamma),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "ThermostatState":
        return cls(**saved)


def is_measured(step: int, config: FinetuneConfig) -> bool:
    """Whether the drift is measured before the update that follows `step` finished ones.

    In a warm-up that averages a baseline before each, else every so many.
    """
    match config.thermostat_mode:
        case ThermostatMode.OFF:
            return False
        case ThermostatMode.FIXED:
            return step % config.thermostat_update_interval == 0
        case ThermostatMode.AUTO:
            return step < config.thermostat_warmup_steps or step % config.thermostat_update_interval == 0
