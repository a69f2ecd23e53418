"""vlad stop, resume, save, evaluate: what a user asks of runs that exist."""

import sys
from argparse import ArgumentParser, Namespace

from vlad.commands.command import CliError, Command, add_run, add_runs, found_run, say
from vlad.commands.outcome import exit_code, in_words
from vlad.commands.output import output_to
from vlad.commands.watching.follow import follow_until_end, wait_until_ended
from vlad.commands.watching.overview import live_parts
from vlad.records.progress import Reason
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind
from vlad.supervise import control

DETACHED = 130
ANSWERED_BY_REPORT = "of programs of others only those that use vlad.report answer"
TRAINED = frozenset({Reason.MAX_STEPS, Reason.EARLY_STOP})


def _add_stop(parser: ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument("--now", action="store_true", help="do not save first: end its processes at once")
    parser.add_argument("--no-wait", action="store_true", help="return when it is asked, not when it has ended")


def _stop(arguments: Namespace) -> int:
    """Every run is asked before any is waited for; one that has ended already is no error."""
    runs = [found_run(wanted) for wanted in arguments.runs]
    asked = [run for run in runs if _ask_to_stop(run, arguments.now)]
    if arguments.no_wait:
        return 0
    try:
        for run in asked:
            record = wait_until_ended(run)
            assert record is not None
            say(in_words(record))
            _tell_of_parts(run)
    except KeyboardInterrupt:
        say("no longer waiting; it stays asked to stop")
        return DETACHED
    return 0


def _tell_of_parts(run: RunDirectory) -> None:
    """A run that is resumed finds the evaluations that went on without it."""
    for part in live_parts(run):
        say(f"{part.run_id} works for it and goes on; `vlad stop {part.run_id}` ends it, too")


def _ask_to_stop(run: RunDirectory, now: bool) -> bool:
    record = run.read_record()
    if record.state.is_final:
        say(f"{run.run_id} is {record.state} already")
        return False
    control.ask(run, Action.STOP_NOW if now else Action.STOP)
    saves = not now and run.read_spec().kind is Kind.TRAIN
    say(f"{run.run_id} is asked to stop" + ("; it saves a checkpoint first" if saves else ""))
    return True


STOP = Command(
    run=_stop,
    add=_add_stop,
    examples="""
    vlad stop last           saves a checkpoint, ends, and can be resumed
    vlad stop --now spatial  ends it without saving
    """,
)


def _add_resume(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--follow", action="store_true", help="follow its log until it has ended")


def _resume(arguments: Namespace) -> int:
    run = found_run(arguments.run)
    before = run.read_record()
    next_attempt = (before.attempt.number if before.attempt else 0) + 1
    control.resume(run)
    say(f"{run.run_id} goes on; `vlad logs -f {run.run_id}` follows it")
    if before.reason is not None and before.reason in TRAINED:
        say(f"it had succeeded ({before.reason.words}) and may end at once; `vlad start --resume CHECKPOINT` trains on")
    if not arguments.follow:
        return 0
    record = follow_until_end(run, next_attempt, 0, output_to(sys.stdout), before.seq)
    return DETACHED if record is None else exit_code(record)


RESUME = Command(
    run=_resume,
    add=_add_resume,
    examples="""
    vlad resume last              from its last checkpoint, with the same settings
    vlad resume spatial --follow
    """,
)


def _ask(action: Action, answer: str) -> Command:
    """A verb that asks the trainer of a running run for something between two steps."""

    def run_verb(arguments: Namespace) -> int:
        run = found_run(arguments.run)
        record = run.read_record()
        if record.state is not State.RUNNING:
            raise CliError(f"{run.run_id} is {record.state}: only a running run can {action}")
        control.ask(run, action)
        is_ours = run.read_spec().kind is Kind.TRAIN
        then = f"`vlad show {run.run_id}` shows it when it is done" if is_ours else ANSWERED_BY_REPORT
        say(f"{run.run_id} {answer}; {then}")
        return 0

    return Command(run=run_verb, add=add_run, examples=f"vlad {action} last")


SAVE = _ask(Action.SAVE, "is asked to save a checkpoint between two steps")
EVALUATE = _ask(Action.EVALUATE, "is asked to evaluate between two steps")
