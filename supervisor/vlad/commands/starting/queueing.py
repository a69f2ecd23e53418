"""The arguments of `vlad start` that decide when a run starts: GPUs, priority, and the runs that it follows."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from vlad.commands.command import CliError, found_run
from vlad.host.gpu_probe import read_gpus
from vlad.host.gpus import GpusUnreadable, has_driver
from vlad.host.leases import default_lock_folder, prepare_lock_folder
from vlad.host.user_config import GpuSettings, read_user_config
from vlad.policy.allocate import GpuUse
from vlad.policy.gpu_choice import AUTO, FORMS, AskedGpus, BadGpus, asked_gpus, chosen_gpus
from vlad.records.gpus import GpuWish
from vlad.records.spec import Predecessor

USED_DEVICES = {"auto", "cuda"}


def add_queue_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--gpus", metavar="GPUS",
        help=f"wait for GPUs and see no others: {FORMS}; auto is one a process (default: auto for the trainer where "
        "there are GPUs, none for a COMMAND)",
    )  # fmt: skip
    parser.add_argument(
        "--priority", type=int, default=0, metavar="P", help="where GPUs are waited for, a higher one goes first"
    )
    parser.add_argument("--after", metavar="RUN", action="append", default=[], help="wait until RUN has succeeded")
    parser.add_argument(
        "--after-any", metavar="RUN", action="append", default=[], help="wait until RUN has ended, however"
    )


def followed_runs(arguments: Namespace) -> tuple[Predecessor, ...]:
    """Raises RecordError for a run that there is not."""
    succeeded = [Predecessor(run_id=found_run(wanted).run_id) for wanted in arguments.after]
    ended = [Predecessor(run_id=found_run(wanted).run_id, any_end=True) for wanted in arguments.after_any]
    return (*succeeded, *ended)


def figures_with_gpus(arguments: Namespace) -> list[str]:
    """NPROC and its like: with a number of GPUs, and no number of processes, there is one process a GPU."""
    nproc, *others = arguments.figures or [AUTO]
    asked = _asked(arguments)
    if asked is None or asked.count is None:
        return list(arguments.figures)
    if nproc == AUTO:
        return [str(asked.count), *others]
    if nproc != str(asked.count):
        raise CliError(f"NPROC {nproc} with --gpus {arguments.gpus}: the trainer takes one process a GPU")
    return [nproc, *others]


def wish_of_trainer(arguments: Namespace, processes: int, device: str) -> GpuWish | None:
    """As asked; by default a GPU for each process, where the trainer would use GPUs and there are enough."""
    if arguments.gpus is not None:
        return wish_of_command(arguments, processes)
    settings = read_user_config().gpus
    if device not in USED_DEVICES or not settings.lease_by_default or not has_driver():
        return None
    try:
        return _wish(AskedGpus(None), processes, settings)
    except (BadGpus, GpusUnreadable):
        return None


def wish_of_command(arguments: Namespace, processes: int) -> GpuWish | None:
    """Raises CliError for GPUs that this host does not have, or cannot read."""
    asked = _asked(arguments)
    if asked is None:
        return None
    try:
        return _wish(asked, processes, read_user_config().gpus)
    except BadGpus as error:
        raise CliError(str(error)) from None
    except GpusUnreadable as error:
        because = f"the GPUs of this host cannot be read ({error})"
        raise CliError(f"--gpus {arguments.gpus}: {because}; leave it out, or see `vlad doctor`") from None


def _asked(arguments: Namespace) -> AskedGpus | None:
    try:
        return None if arguments.gpus is None else asked_gpus(arguments.gpus)
    except BadGpus as error:
        raise CliError(str(error)) from None


def _wish(asked: AskedGpus, processes: int, settings: GpuSettings) -> GpuWish:
    uses = [GpuUse(uuid=gpu.uuid, index=gpu.index) for gpu in read_gpus().gpus if gpu.uuid]
    count, among = chosen_gpus(asked, os.environ.get("CUDA_VISIBLE_DEVICES"), processes, uses)
    folder = prepare_lock_folder(Path(default_lock_folder(settings.lock_folder)))
    return GpuWish(
        count=count, among=among, lock_folder=str(folder), free_below_bytes=settings.free_below_mib * 2**20
    )  # fmt: skip
