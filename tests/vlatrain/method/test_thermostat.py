"""From drift to beta and gamma."""

from dataclasses import replace
from typing import Any

import pytest
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import ThermostatMode
from vlatrain.method.thermostat import ThermostatState, is_measured

CONFIG = FinetuneConfig(
    thermostat_update_interval=5,
    thermostat_warmup_steps=3,
    thermostat_k_beta=1.0,
    thermostat_k_gamma=3.0,
    thermostat_min_beta=0.2,
    thermostat_min_gamma=0.1,
)
START = ThermostatState(beta=0.9, gamma=0.8)


def after(*drifts: float, step: int = 0, config: FinetuneConfig = CONFIG, state: ThermostatState = START) -> Any:
    for number, drift in enumerate(drifts):
        state = state.after(drift, step + number, config)
    return state


def test_the_warm_up_averages_a_baseline_and_turns_nothing() -> None:
    warm = after(1.0, 2.0, 6.0)
    assert (warm.baseline, warm.drift, warm.measurements) == (3.0, 6.0, 3)
    assert (warm.beta, warm.gamma) == (0.9, 0.8)


@pytest.mark.parametrize(
    ("drift", "beta", "gamma"),
    [
        pytest.param(3.0, 1.0, 1.0, id="at the baseline"),
        pytest.param(0.0, 1.0, 1.0, id="below it"),
        pytest.param(4.0, 0.5, 0.25, id="one above: 1/(1+1) and 1/(1+3)"),
        pytest.param(5.0, 1 / 3, 1 / 7, id="two above"),
        pytest.param(100.0, 0.2, 0.1, id="far above: the lower bounds"),
    ],
)
def test_after_it_the_excess_turns_both(drift: float, beta: float, gamma: float) -> None:
    steered = after(drift, step=5, state=after(1.0, 2.0, 6.0))
    assert (steered.beta, steered.gamma) == (pytest.approx(beta), pytest.approx(gamma))
    assert (steered.baseline, steered.drift) == (3.0, drift)


def test_a_share_of_the_baseline_counts_as_no_drift() -> None:
    """As the user's configuration has it: half of it, so that a drift at the baseline already acts."""
    config = replace(CONFIG, thermostat_base_scale=0.5)
    steered = after(3.0, step=5, state=after(3.0, config=config), config=config)
    assert steered.beta == pytest.approx(1 / (1 + 1.5))


def test_upper_bounds_hold_too() -> None:
    config = replace(CONFIG, thermostat_max_beta=0.7, thermostat_max_gamma=0.6)
    steered = after(0.0, step=5, config=config, state=after(1.0, config=config))
    assert (steered.beta, steered.gamma) == (0.7, 0.6)


def test_without_a_warm_up_the_first_drift_is_the_baseline() -> None:
    config = replace(CONFIG, thermostat_warmup_steps=0)
    steered = after(4.0, config=config)
    assert (steered.baseline, steered.beta) == (4.0, 1.0)
    assert after(5.0, step=5, config=config, state=steered).beta == 0.5


def test_fixed_only_reports() -> None:
    config = replace(CONFIG, thermostat_mode=ThermostatMode.FIXED)
    seen = after(1.0, 50.0, step=5, config=config)
    assert (seen.beta, seen.gamma, seen.drift, seen.baseline) == (0.9, 0.8, 50.0, 1.0)


@pytest.mark.parametrize(
    ("mode", "steps"),
    [
        (ThermostatMode.AUTO, [0, 1, 2, 5, 10]),
        (ThermostatMode.FIXED, [0, 5, 10]),
        (ThermostatMode.OFF, []),
    ],
)
def test_when_the_drift_is_measured(mode: ThermostatMode, steps: list[int]) -> None:
    config = replace(CONFIG, thermostat_mode=mode)
    assert [step for step in range(12) if is_measured(step, config)] == steps


def test_the_state_survives_a_checkpoint() -> None:
    state = after(1.0, 2.0, 6.0, 4.0)
    assert ThermostatState.from_dict(state.to_dict()) == state
