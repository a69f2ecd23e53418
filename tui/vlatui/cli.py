"""The vlatui command: reads its arguments, refuses in one line, and only then loads the dashboard."""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from vlad.records.files import RecordError
from vlad.records.rundir import Home, default_home

BAD_INPUT = 2
EXAMPLES = """\
examples:
  vlatui                     all runs, live ones first
  vlatui last                with the newest run selected
  vlatui --home /mnt/runs    the runs kept elsewhere
  vlatui --readonly          look, but change nothing

RUN is a run's id, a unique part of it, its name (the newest such run), or `last`.
Quitting never stops a run. Inside, ? shows the keys.
"""


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="vlatui", description="A live dashboard of supervised training runs.", epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    made.add_argument("run", metavar="RUN", nargs="?", help="the run to select")
    made.add_argument("--home", metavar="DIR", type=Path, help="where the runs are (default: $VLAD_HOME)")
    made.add_argument("--readonly", action="store_true", help="offer nothing that changes a run")
    made.add_argument("--mouse", choices=("on", "off"), help="default: on, but off inside tmux and screen")
    made.add_argument("--version", action="store_true", help="print the version")
    return made


def main() -> None:
    """Entry point of the `vlatui` script."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Runs one command line and returns its exit code: 0, or 2 for what cannot be meant."""
    arguments = parser().parse_args(words)
    if arguments.version:
        from importlib.metadata import version

        print(f"vlatui {version('vlatui')}")
        return 0
    try:
        return _show(arguments.home, arguments.run, readonly=arguments.readonly, mouse=arguments.mouse)
    except RecordError as error:
        print(f"vlatui: {error}", file=sys.stderr)
        return BAD_INPUT


def _show(folder: Path | None, wanted: str | None, *, readonly: bool, mouse: str | None) -> int:
    home = Home(folder.expanduser().absolute() if folder else default_home())
    if folder is not None and not home.path.is_dir():
        raise RecordError(f"--home {folder}: there is no such folder")
    run_id = home.find(wanted).run_id if wanted else None
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise RecordError("a terminal is needed; `vlad ls` and `vlad logs -f` work without one")
    from vlatui.app import run_app

    has_multiplexer = "TMUX" in os.environ or "STY" in os.environ
    run_app(home, run_id, readonly=readonly, mouse=mouse == "on" or (mouse is None and not has_multiplexer))
    return 0


if __name__ == "__main__":
    main()
