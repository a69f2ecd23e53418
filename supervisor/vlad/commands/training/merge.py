"""vlad merge: a model that other programs can load, from a run's adapter and its base."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from vlad.commands.command import RUN_HELP, CliError, Command, found_run, say
from vlad.commands.training.tool import run_tool
from vlad.commands.training.trainer import add_python
from vlad.records.rundir import RunDirectory
from vlad.records.summary_reading import read_summary


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help=f"{RUN_HELP}: its best checkpoint, else its last; or a folder"
    )
    parser.add_argument("--adapter", metavar="DIR", help="a checkpoint, or a folder of checkpoints, instead of a RUN")
    parser.add_argument("--last", action="store_true", help="the run's last checkpoint, whatever is the best")
    parser.add_argument("--base", metavar="B", help="base model: folder or hub id (what the adapter names)")
    parser.add_argument("--statistics", metavar="FILE", help="dataset_statistics.json (the one beside the adapter)")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder to be made")
    add_python(parser)


def _run(arguments: Namespace) -> int:
    if (arguments.run is None) == (arguments.adapter is None):
        raise CliError("either a RUN or --adapter DIR: which adapter is to be merged?")
    adapter = arguments.adapter or _adapter_of(arguments.run, last=arguments.last)
    words = ["--adapter", adapter, "--out", arguments.out]
    for name in ("base", "statistics"):
        if value := getattr(arguments, name):
            words += [f"--{name}", value]
    return run_tool(arguments.python, ["merge", *words])


def _adapter_of(named: str, *, last: bool) -> str:
    """A folder that is there, as `vlad eval` takes one, or the checkpoint of a run."""
    return named if Path(named).expanduser().is_dir() else str(chosen_checkpoint(found_run(named), last=last))


def chosen_checkpoint(run: RunDirectory, *, last: bool) -> Path:
    """The best checkpoint of a run, else its last. Raises CliError for a run without one."""
    summary = read_summary(run, whole=True).summary
    chosen = summary.last_checkpoint if last else summary.best_checkpoint or summary.last_checkpoint
    if chosen is None:
        raise CliError(f"{run.run_id} has saved no checkpoint; `vlad show {run.run_id}` shows how far it got")
    if not Path(chosen.path).is_dir():
        raise CliError(f"{chosen.path} is no longer there; name another checkpoint with --adapter")
    say(f"{run.run_id}: step {chosen.step}{' (best)' if chosen == summary.best_checkpoint else ''}, {chosen.path}")
    return Path(chosen.path)


MERGE = Command(
    run=_run,
    add=_add,
    examples="""
    vlad merge last --out merged/spatial
    vlad merge adapter-tmp/x --base openvla/openvla-7b --out merged/x
    """,
)
