"""vlad demos: demonstrations by a scripted expert, as a data set to train on; a second call goes on with the first."""

from argparse import ArgumentParser, Namespace

from vlad.commands.command import Command
from vlad.commands.training.tool import run_tool
from vlad.commands.training.trainer import add_python

VALUES = ("suite", "episodes", "out", "name", "seed", "shards", "workers", "limit", "sim_python")
SWITCHES = ("shaky", "no_wrist", "hdf5", "states")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--suite", required=True, help="tabletop_base, tabletop_new, libero_spatial, libero_object, ..."
    )
    parser.add_argument("--episodes", metavar="N", help="successful episodes to record")
    parser.add_argument("--out", metavar="DIR", required=True, help="data root: DIR/NAME/1.0.0 is written")
    parser.add_argument("--name", help="name of the set (the suite's; for LIBERO with _no_noops)")
    parser.add_argument("--seed", metavar="N", help="which scenes are drawn (0)")
    parser.add_argument("--shards", metavar="N", help="files to spread them over (2)")
    parser.add_argument("--workers", metavar="N", help="LIBERO: simulators side by side (one a core)")
    parser.add_argument("--limit", metavar="N", help="LIBERO: longest episode, in steps (the suite's limit)")
    parser.add_argument("--sim-python", metavar="P", help="LIBERO: the Python that has it (or VLAD_SIM_PYTHON)")
    parser.add_argument("--tasks", metavar="N", nargs="+", help="LIBERO: only these tasks, counted from 0")
    parser.add_argument(
        "--render", metavar="PATH", nargs="+", help="LIBERO: record nothing, make pictures of its HDF5 files' states"
    )
    parser.add_argument("--shaky", action="store_true", help="LIBERO: noise in what is done, not in what is recorded")
    parser.add_argument("--no-wrist", action="store_true", help="LIBERO: without the wrist camera")
    parser.add_argument("--hdf5", action="store_true", help="LIBERO: also as LIBERO's own HDF5 files")
    parser.add_argument(
        "--states", action="store_true", help="LIBERO: the simulator's states instead of pictures, for --render"
    )
    add_python(parser)


def _run(arguments: Namespace) -> int:
    words = ["demos"]
    for name in VALUES:
        if (value := getattr(arguments, name)) is not None:
            words.append(f"--{name.replace('_', '-')}={value}")
    words += [f"--{name.replace('_', '-')}" for name in SWITCHES if getattr(arguments, name)]
    words += ["--tasks", *arguments.tasks] if arguments.tasks else []
    words += ["--render", *arguments.render] if arguments.render else []
    return run_tool(arguments.python, words)


DEMOS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad demos --suite libero_spatial --episodes 500 --out datasets
    vlad demos --suite libero_object --episodes 100 --out datasets --workers 8 --sim-python .venv-libero/bin/python
    vlad demos --suite libero_spatial --render LIBERO/libero_spatial --out datasets
    vlad demos --suite tabletop_new --episodes 300 --out datasets
    """,
)
