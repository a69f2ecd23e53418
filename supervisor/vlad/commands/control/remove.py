"""vlad rm, prune: remove runs that have ended, by name or by rule."""

import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence

from vlad.commands.command import CliError, Command, add_json, add_runs, found_run, our_home, print_json, say
from vlad.commands.watching.overview import live_parts
from vlad.policy.keep import BadRule, EndedRun, KeepRule, doomed, keep_rule
from vlad.records import figures
from vlad.records.files import RecordError
from vlad.records.parts import whole_of
from vlad.records.rundir import Home, RunDirectory
from vlad.supervise.adopt import is_resume_asked
from vlad.supervise.remove import Removal, plan_removal, remove

REFUSED = 1


def _rule(text: str) -> KeepRule:
    try:
        return keep_rule(text)
    except BadRule as error:
        raise ArgumentTypeError(str(error)) from None


def _add_what(parser: ArgumentParser) -> None:
    parser.add_argument("--checkpoints", action="store_true", help="the checkpoints too, but not the best one")
    parser.add_argument("--best-too", action="store_true", help="with --checkpoints, the best one as well")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    add_json(parser)


def _add_rm(parser: ArgumentParser) -> None:
    add_runs(parser)
    _add_what(parser)


def _rm(arguments: Namespace) -> int:
    home = our_home()
    runs = _with_parts(home, {run.run_id: run for run in map(found_run, arguments.runs)})
    removals = plan_removal(home, runs, checkpoints=arguments.checkpoints, best_too=arguments.best_too)
    return _carry_out(home, removals, arguments)


def _with_parts(home: Home, runs: dict[str, RunDirectory]) -> list[RunDirectory]:
    """These runs, and those that worked for them."""
    others = (home.run(run_id) for run_id in home.run_ids() if run_id not in runs)
    return [*runs.values(), *(other for other in others if whole_of(other.spec) in runs)]


def _add_prune(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--keep", metavar="RULE", type=_rule, action="append", required=True,
        help="what stays: a number of runs (20: the newest) or an age (12h, 30d, 2w); repeatable, each keeps its own",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="do not ask")
    _add_what(parser)


def _prune(arguments: Namespace) -> int:
    home = our_home()
    runs = [home.run(run_id) for run_id in doomed(_ended(home), arguments.keep, time.time())]
    runs = [run for run in runs if _can_go(home, run, arguments.best_too)]
    removals = plan_removal(home, runs, checkpoints=arguments.checkpoints, best_too=arguments.best_too)
    if not arguments.dry_run and removals and not arguments.yes and not _is_confirmed(removals):
        return REFUSED
    return _carry_out(home, removals, arguments)


def _can_go(home: Home, run: RunDirectory, best_too: bool) -> bool:
    if parts := live_parts(run):
        say(f"stays: {run.run_id}, for which {parts[0].run_id} still works")
        return False
    try:
        plan_removal(home, [run], checkpoints=False, best_too=best_too)
    except RecordError as error:
        say(f"stays: {error}")
        return False
    return True


def _ended(home: Home) -> list[EndedRun]:
    """Of runs that cannot be read nothing is known, so they stay."""
    found = []
    for run_id in home.newest_ended_ids():
        run = home.run(run_id)
        try:
            record = run.read_record()
        except RecordError as error:
            say(f"stays: {error}")
            continue
        if record.state.is_final and not is_resume_asked(run):
            whole = record.part_of if record.part_of and (home.runs / record.part_of).is_dir() else None
            found.append(EndedRun(run_id, record.ended_at or record.updated_at, whole))
    return found


def _is_confirmed(removals: Sequence[Removal]) -> bool:
    """Asked at the terminal. Raises CliError where there is none."""
    _tell(removals, "would go")
    if not sys.stdin.isatty():
        raise CliError("nobody to ask here: say --yes, or --dry-run")
    size = figures.size(sum(removal.size_bytes for removal in removals))
    print(f"vlad: remove {figures.plural(len(removals), 'run')} ({size})? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _carry_out(home: Home, removals: Sequence[Removal], arguments: Namespace) -> int:
    sizes = [removal.size_bytes for removal in removals]
    if arguments.dry_run:
        _tell(removals, "would go")
    for removal in [] if arguments.dry_run else removals:
        remove(home, removal)
        say(f"{removal.run.run_id} is removed" + _with_its_checkpoints(removal))
    for removal in removals:
        for kept in removal.kept:
            say(f"stays: {kept}")
    if arguments.json:
        print_json([_as_json(removal, size) for removal, size in zip(removals, sizes, strict=True)])
    else:
        say(f"{figures.plural(len(removals), 'run')}, {figures.size(sum(sizes))}")
    return 0


def _tell(removals: Sequence[Removal], verb: str) -> None:
    for removal in removals:
        say(f"{removal.run.run_id} {verb}{_with_its_checkpoints(removal)}")


def _with_its_checkpoints(removal: Removal) -> str:
    return f", with {figures.plural(len(removal.checkpoints), 'checkpoint')}" if removal.checkpoints else ""


def _as_json(removal: Removal, size_bytes: int) -> dict[str, object]:
    checkpoints = [str(path) for path in removal.checkpoints]
    return {"run_id": removal.run.run_id, "checkpoints": checkpoints, "size_bytes": size_bytes}


RM = Command(
    run=_rm,
    add=_add_rm,
    examples="""
    vlad rm last                          its records and logs, and those of its parts; its checkpoints stay
    vlad rm --checkpoints first second    and all checkpoints but the best of each
    """,
)
PRUNE = Command(
    run=_prune,
    add=_add_prune,
    examples="""
    vlad prune --keep 20 --dry-run        all but the 20 that ended last
    vlad prune --keep 20 --keep 30d       what is older than 30 days and not among the newest 20
    vlad prune --keep 2w --checkpoints --yes
    """,
)
