"""What a valid configuration should still be warned about."""

from collections.abc import Callable, Iterator

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import Estimator, ThermostatMode
from vlatrain.suites import TASKS_OF_SUITE
from vlatrain.tracking.choice import TrackerName, chosen, how_to_install, is_installed

LEAST_FOR_A_DRIFT = 32


def advice(config: FinetuneConfig, is_installed: Callable[[TrackerName], bool] = is_installed) -> tuple[str, ...]:
    """One line for each thing that is probably not meant."""
    missing = [name for name in chosen(config) if not is_installed(name)]
    return (*(_missing(config, name) for name in missing), *_doubts(config))


def _missing(config: FinetuneConfig, name: TrackerName) -> str:
    is_switch = name is TrackerName.WANDB and config.use_wandb
    setting = "use_wandb is on" if is_switch else f"trackers is {config.trackers}"
    other = "set it false" if is_switch else "leave it out"
    return f"{setting}, but {name} is not installed: {how_to_install(name)}, or {other}"


def _doubts(config: FinetuneConfig) -> Iterator[str]:
    if config.early_stopping_enabled and not config.enable_periodic_eval:
        yield "early_stopping_enabled never acts: enable_periodic_eval is false"
    yield from _drift(config)
    if not config.enable_periodic_eval:
        return
    if config.eval_every_steps > config.max_steps:
        yield f"eval_every_steps {config.eval_every_steps} is beyond max_steps {config.max_steps}: nothing is evaluated"
    if config.image_aug != config.eval_center_crop:
        yield "image_aug and eval_center_crop differ: a model trained on crops should be evaluated on crops"
    if config.early_stopping_enabled:
        yield from _resolution(config)


def _drift(config: FinetuneConfig) -> Iterator[str]:
    samples = config.probe_batch_size * config.thermostat_window
    is_noise = config.thermostat_estimator is Estimator.ORIGINAL and samples < LEAST_FOR_A_DRIFT
    if config.method_enabled and config.thermostat_mode is ThermostatMode.AUTO and is_noise:
        yield (
            f"thermostat_estimator original with {samples} probe samples measures mostly the chance of these samples: "
            "take paired or shrinkage, or raise probe_batch_size or thermostat_window"
        )


def _resolution(config: FinetuneConfig) -> Iterator[str]:
    tasks = len(set(config.eval_tasks)) if config.eval_tasks else TASKS_OF_SUITE[config.eval_task_suite_name]
    episodes = tasks * config.eval_num_trials_per_task
    if config.early_stopping_min_delta < 100 / episodes:
        yield (
            f"early_stopping_min_delta {config.early_stopping_min_delta} is finer than {episodes} episodes can tell "
            f"(one episode is {100 / episodes:.3g} points): raise eval_num_trials_per_task"
        )
