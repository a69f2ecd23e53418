"""The argument that says in which folder a program of others runs."""

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from vlad.commands.command import CliError


def add_folder_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--folder", metavar="DIR", help="where a COMMAND runs (default: here)")


def chosen_folder(arguments: Namespace) -> Path:
    """Absolute. Raises CliError where there is none such."""
    folder = Path.cwd() if arguments.folder is None else Path(arguments.folder).expanduser().absolute()
    if not folder.is_dir():
        raise CliError(f"--folder {folder}: no such folder")
    return folder


def refuse_missing_program(program: str, folder: Path) -> None:
    """Raises CliError for what is neither in PATH nor, with a path of its own, there from `folder` on."""
    if shutil.which(str(folder / program) if "/" in program else program) is None:
        raise CliError(f"{program}: command not found; check PATH, or give its path")


def refuse_folder_argument(arguments: Namespace) -> None:
    """Our trainer has a place of its own for files."""
    if arguments.folder is not None:
        raise CliError("--folder is for a command after --; our trainer has --project-root")
