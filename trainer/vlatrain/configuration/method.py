"""The settings of the method, by topic: gradient surgery, probe set, offline statistics, Thermostat. Loads no torch."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vlatrain.configuration.checks import above, at_least, needs, one_of, ordered
from vlatrain.configuration.option import option


class StatesAt(StrEnum):
    """Which states of a decoder layer the statistics are of: those it puts out, or those that enter it."""

    OUTPUT = "output"
    INPUT = "input"


class ThermostatMode(StrEnum):
    """auto sets beta and gamma from the drift; fixed only reports the drift; off measures nothing."""

    AUTO = "auto"
    FIXED = "fixed"
    OFF = "off"


class Estimator(StrEnum):
    """How the drift is estimated from a probe batch; see docs/method.md."""

    ORIGINAL = "original"
    SHRINKAGE = "shrinkage"
    PAIRED = "paired"


@dataclass(frozen=True, kw_only=True)
class Method:
    """Method: ICSM and HSW; off is plain LoRA."""

    method_enabled: bool = option(False, "gradient surgery (HSW) steered by the Thermostat")
    icms_artifact_dir: Path | None = option(None, "offline statistics; default: icms_<base model> in artifact_dir")
    hsw_layer_ids: tuple[int, ...] | None = option(None, "decoder layers, negative ones from the end; none: the last 4")
    hsw_beta: float = option(1.0, "weight of the plastic part of the gradient")
    hsw_gamma: float = option(1.0, "weight of the fragile part of the gradient")
    hsw_eps: float = option(1e-8, "keeps the norm's division finite")
    prompt_template: str = option("In: {instruction}\nOut:", "prompt of the probe")

    def check_method(self) -> None:
        at_least(self, 0, "hsw_beta", "hsw_gamma")
        above(self, 0, "hsw_eps")
        needs(self, "prompt_template", "{instruction}" in self.prompt_template, "it must contain {instruction}")
        check_layers(self, "hsw_layer_ids")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Probe: the samples on which the offline statistics are made and drift is measured."""

    probe_dataset_name: str = option("bridge_orig", "data set in probe_root_dir; its held-out part is taken")
    probe_jsonl: Path | None = option(None, "probe samples as JSON lines, instead of a data set")
    probe_image_root: Path | None = option(None, "folder of the images that probe_jsonl names")
    probe_batch_size: int = option(16, "probe samples in one measurement, over all ranks")
    probe_samples: int = option(500, "samples of the whole probe set")
    probe_seed: int = option(7, "which samples, and in which order")

    def check_probe(self) -> None:
        at_least(self, 1, "probe_batch_size", "probe_samples")
        at_least(self, 0, "probe_seed")


@dataclass(frozen=True, kw_only=True)
class Icsm:
    """ICSM: the offline statistics of the frozen base model, made by `vlad icsm`."""

    icsm_rank: int = option(128, "directions kept of each layer")
    icsm_fragile_dim: int | None = option(None, "most sensitive directions, called fragile; default: half of them")
    icsm_plastic_dim: int | None = option(None, "least sensitive directions, called plastic; default: a quarter")
    icsm_epsilon: float = option(1e-3, "length of the step along a direction whose effect is its sensitivity")
    icsm_sensitivity_samples: int = option(128, "probe samples over which a sensitivity is averaged")
    icsm_layer_ids: tuple[int, ...] | None = option(
        None, "decoder layers, negative ones from the end; none: one for each half of the last four"
    )
    icsm_states: StatesAt = option(StatesAt.OUTPUT, "states that a layer puts out, as originally, or that enter it")
    icsm_batch_size: int = option(8, "probe samples in one forward pass")

    def check_icsm(self) -> None:
        one_of(self, StatesAt, "icsm_states")
        at_least(self, 1, "icsm_rank", "icsm_fragile_dim", "icsm_plastic_dim", "icsm_batch_size")
        at_least(self, 1, "icsm_sensitivity_samples")
        above(self, 0, "icsm_epsilon")
        check_layers(self, "icsm_layer_ids")


@dataclass(frozen=True, kw_only=True)
class Thermostat:
    """Thermostat: the loop that sets beta and gamma from the drift."""

    thermostat_update_interval: int = option(100, "steps between measurements")
    thermostat_warmup_steps: int = option(200, "steps that only average the baseline")
    thermostat_min_beta: float = option(0.2, "lower bound of beta")
    thermostat_max_beta: float = option(1.0, "upper bound of beta")
    thermostat_min_gamma: float = option(0.1, "lower bound of gamma")
    thermostat_max_gamma: float = option(1.0, "upper bound of gamma")
    thermostat_k_beta: float = option(1.0, "how fast beta falls with the drift")
    thermostat_k_gamma: float = option(1.0, "how fast gamma falls with the drift")
    thermostat_base_scale: float = option(1.0, "share of the baseline that counts as no drift")
    thermostat_mode: ThermostatMode = option(
        ThermostatMode.AUTO, "set beta and gamma, or leave them fixed and report the drift, or measure nothing (off)"
    )
    thermostat_estimator: Estimator = option(Estimator.ORIGINAL, "of the drift; paired has no sampling noise")
    thermostat_window: int = option(1, "newest probe batches whose states make one covariance")

    def check_thermostat(self) -> None:
        one_of(self, ThermostatMode, "thermostat_mode")
        one_of(self, Estimator, "thermostat_estimator")
        at_least(self, 1, "thermostat_update_interval", "thermostat_window")
        at_least(self, 0, "thermostat_warmup_steps", "thermostat_min_beta", "thermostat_min_gamma")
        at_least(self, 0, "thermostat_k_beta", "thermostat_k_gamma", "thermostat_base_scale")
        ordered(self, "thermostat_min_beta", "thermostat_max_beta")
        ordered(self, "thermostat_min_gamma", "thermostat_max_gamma")


def check_layers(config: object, name: str) -> None:
    """Refuses an empty list of layers and one that names a layer twice."""
    layers = getattr(config, name)
    is_a_set = layers is None or (len(layers) > 0 and len(set(layers)) == len(layers))
    needs(config, name, is_a_set, "name each layer once, e.g. [-2, -1], or none")
