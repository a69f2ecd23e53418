"""What a valid configuration should still be warned about. Pure."""

from collections.abc import Iterator

from vlatrain.config import FinetuneConfig

TASKS_OF_SUITE = {
    "libero_spatial": 10,
    "libero_object": 10,
    "libero_goal": 10,
    "libero_10": 10,
    "libero_90": 90,
}


def advice(config: FinetuneConfig) -> tuple[str, ...]:
    """One line for each thing that is probably not meant."""
    return tuple(_doubts(config))


def _doubts(config: FinetuneConfig) -> Iterator[str]:
    if config.early_stopping_enabled and not config.enable_periodic_eval:
        yield "early_stopping_enabled never acts: enable_periodic_eval is false"
    if not config.enable_periodic_eval:
        return
    if config.eval_every_steps > config.max_steps:
        yield f"eval_every_steps {config.eval_every_steps} is beyond max_steps {config.max_steps}: nothing is evaluated"
    if config.image_aug != config.eval_center_crop:
        yield "image_aug and eval_center_crop differ: a model trained on crops should be evaluated on crops"
    if config.early_stopping_enabled:
        yield from _resolution(config)


def _resolution(config: FinetuneConfig) -> Iterator[str]:
    tasks = TASKS_OF_SUITE.get(config.eval_task_suite_name)
    if tasks is None:
        return
    episodes = tasks * config.eval_num_trials_per_task
    if config.early_stopping_min_delta < 100 / episodes:
        yield (
            f"early_stopping_min_delta {config.early_stopping_min_delta} is finer than {episodes} episodes can tell "
            f"(one episode is {100 / episodes:.3g} points): raise eval_num_trials_per_task"
        )
