"""vlad eval: the success rate of a checkpoint on a suite, outside its run and beside it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from vlad.commands.command import RUN_HELP, CliError, Command, found_run
from vlad.commands.training.merge import chosen_checkpoint
from vlad.commands.training.tool import run_tool
from vlad.commands.training.trainer import add_python
from vlad.records.files import RecordError

FIELDS = {
    "suite": "eval_task_suite_name",
    "trials": "eval_num_trials_per_task",
    "batch_size": "eval_batch_size",
    "workers": "sim_workers",
    "sim_python": "sim_python",
    "videos": "eval_videos",
    "note": "eval_run_id_note",
    "device": "device",
}


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="ADAPTER|RUN", help=f"a checkpoint, a folder of them, a model; or {RUN_HELP}: its best"
    )
    parser.add_argument("--last", action="store_true", help="of a run: its last checkpoint, whatever is the best")
    parser.add_argument("--config", metavar="FILE", help="YAML of the trainer's fields (of a run: the run's own)")
    parser.add_argument("--suite", help="suite of tasks, e.g. libero_spatial")
    parser.add_argument("--trials", metavar="N", help="episodes of each task")
    parser.add_argument("--tasks", metavar="N", nargs="+", help="only these tasks of the suite, counted from 0")
    parser.add_argument("--batch-size", metavar="N", help="episodes that the model answers together")
    parser.add_argument("--workers", metavar="N", help="simulators side by side")
    parser.add_argument("--videos", choices=["none", "first", "all"], help="which episodes to keep as videos")
    parser.add_argument("--note", help="added to the log's name")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--sim-python", metavar="P", help="the Python that has LIBERO (or VLAD_SIM_PYTHON)")
    parser.add_argument("--result", metavar="FILE", help="also write the result there, as JSON")
    parser.add_argument(
        "--set", metavar="FIELD=VALUE", action="append", default=[], dest="settings", help="set one field; repeatable"
    )
    add_python(parser)


def _run(arguments: Namespace) -> int:
    checkpoint, config = _found(arguments)
    words = ["evaluate", str(checkpoint), *([config] if config else [])]
    for name, field in FIELDS.items():
        if (value := getattr(arguments, name)) is not None:
            words.append(f"--{field}={value}")
    words += [f"--eval_tasks=[{','.join(arguments.tasks)}]"] if arguments.tasks else []
    words += [f"--{setting}" for setting in arguments.settings]
    words += [f"--result={arguments.result}"] if arguments.result else []
    return run_tool(arguments.python, words)


def _found(arguments: Namespace) -> tuple[Path, str | None]:
    """The checkpoint, and the configuration that it belongs to. Raises CliError where neither a path nor a run fits."""
    folder = Path(arguments.what).expanduser()
    if folder.is_dir():
        return folder, arguments.config
    try:
        run = found_run(arguments.what)
    except RecordError as error:
        raise CliError(f"{arguments.what}: no such folder, and no run either ({error})") from None
    return chosen_checkpoint(run, last=arguments.last), arguments.config or str(run.spec)


EVAL = Command(
    run=_run,
    add=_add,
    examples="""
    vlad eval last --trials 50                          the best checkpoint of the newest run, 50 episodes a task
    vlad eval adapter-tmp/x/step-002000 --suite libero_spatial --sim-python .venv-libero/bin/python
    """,
)
