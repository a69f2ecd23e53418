"""The suites that can be evaluated on, by name."""

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.errors import TrainerError
from vlatrain.evaluate.some_tasks import restricted
from vlatrain.evaluate.venue import Suite


def open_suite(
    config: FinetuneConfig, name: str, *, local_rank: int = 0, local_ranks: int = 1, has_gpu: bool = False
) -> Suite:
    """The suite of that name, or some of its tasks. Raises TrainerError for a name that is none, or a simulator that
    is not there.

    `local_ranks` share this host's cores; `local_rank` chooses the GPU that draws.
    """
    if name.startswith("tabletop_"):
        from vlatrain.evaluate.tabletop import TabletopSuite

        return restricted(TabletopSuite(name, config.eval_max_steps), config.eval_tasks)
    if name.startswith("libero_"):
        from vlatrain.evaluate.libero import libero_suite

        whole = libero_suite(config, name, local_rank=local_rank, local_ranks=local_ranks, has_gpu=has_gpu)
        return restricted(whole, config.eval_tasks)
    raise TrainerError(f"eval_task_suite_name {name}: no such suite; names begin with tabletop_ or libero_")
