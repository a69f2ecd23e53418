"""vlad doctor: looks over this host for what will hurt runs, and says what to do about it."""

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from vlad.commands.command import Command, add_json, our_home, print_json
from vlad.commands.starting.provenance import own_user
from vlad.commands.text import Column, Ink, Tone, table
from vlad.host.gpu_probe import read_gpus
from vlad.host.health import cards, disks, kernel, settings
from vlad.host.health.finding import Finding, Level
from vlad.host.user_config import UserConfig, read_user_config, user_config_path
from vlad.records.files import RecordError

PROBLEMS = 1
TONES = {Level.OK: Tone.GOOD, Level.NOTE: Tone.QUIET, Level.WARNING: Tone.CARE, Level.PROBLEM: Tone.BAD}
COLUMNS = (Column(title=""), Column(title="CHECK"), Column(title="FOUND"))


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--project-root", metavar="DIR", help="where checkpoints go (or VLAD_PROJECT_ROOT; default: here)"
    )
    parser.description = f"{parser.description}\nexit code: {PROBLEMS} where something is a problem, else 0"
    add_json(parser)


def _run(arguments: Namespace) -> int:
    found = findings(Path(arguments.project_root or os.environ.get("VLAD_PROJECT_ROOT") or Path.cwd()))
    if arguments.json:
        print_json([asdict(one) for one in found])
    else:
        ink = Ink.for_stream(sys.stdout)
        print(table(COLUMNS, [row for one in found for row in _rows(one, ink)], ink))
    return PROBLEMS if any(one.level is Level.PROBLEM for one in found) else 0


def findings(project_root: Path) -> list[Finding]:
    """All checks of this host."""
    home, config = our_home().path, _config_or_defaults()
    places = disks.places(home, project_root, os.environ, config.large_file_roots)
    return [
        *cards.check_gpus(read_gpus),
        cards.check_leases(config.gpus.lock_folder),
        settings.check_home(home),
        *disks.check_space(places),
        *disks.check_roots(places, config.large_file_roots),
        disks.check_shared_memory(),
        kernel.check_inotify(),
        kernel.check_open_files(),
        kernel.check_kernel_log(),
        kernel.check_ptrace(),
        settings.check_logout(own_user()),
        settings.check_hub(os.environ),
        settings.check_user_config(user_config_path()),
        settings.check_clock(),
    ]


def _config_or_defaults() -> UserConfig:
    """That it cannot be read is a finding of its own."""
    try:
        return read_user_config()
    except RecordError:
        return UserConfig()


def _rows(one: Finding, ink: Ink) -> list[list[str]]:
    first = [ink(str(one.level), TONES[one.level]), one.check, one.found]
    return [first, ["", "", ink(f"→ {one.advice}", Tone.QUIET)]] if one.advice else [first]


DOCTOR = Command(
    run=_run,
    add=_add,
    examples="""
    vlad doctor
    vlad doctor --project-root /data/vla --json | jq '.[] | select(.level != "ok")'
    """,
)
