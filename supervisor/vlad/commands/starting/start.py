"""vlad start: validates everything, then makes the run and lets it go."""

import os
import re
import shlex
import shutil
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from vlad.commands.command import CliError, Command, add_json, found_run, our_home, print_json, say
from vlad.commands.host.install import warn_of_logout
from vlad.commands.outcome import OUTCOMES, exit_code
from vlad.commands.output import output_to
from vlad.commands.starting.folder import (
    add_folder_argument,
    chosen_folder,
    refuse_folder_argument,
    refuse_missing_program,
)
from vlad.commands.starting.following import add_following_arguments, chosen_patterns, refuse_following_arguments
from vlad.commands.starting.grace import add_grace_argument, chosen_ladder
from vlad.commands.starting.hanging import add_hang_arguments, chosen_hang_policy
from vlad.commands.starting.provenance import git_commit, own_terminal, own_user, package_versions
from vlad.commands.starting.queueing import (
    add_queue_arguments,
    figures_with_gpus,
    followed_runs,
    wish_of_command,
    wish_of_trainer,
)
from vlad.commands.training.trainer import (
    ResolvedConfig,
    add_config_arguments,
    chosen_python,
    config_file,
    resolved_config,
)
from vlad.commands.watching.follow import follow_until_end
from vlad.policy.launch_argv import (
    AUTO,
    POSITIONALS,
    kept_environment,
    processes_of,
    trainer_argv,
    training_environment,
)
from vlad.policy.secrets import redacted
from vlad.records.history import NAME, name_in, new_run_id
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import Kind, OnHang, RestartPolicy, RunSpec

DETACHED = 130
NO_RESTART = 0
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def _budget(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no number of restarts")
    return int(text)


def _add(parser: ArgumentParser) -> None:
    parser.usage = (
        f"vlad start [{' '.join(POSITIONALS)}] [--config FILE] [OPTIONS]\n       vlad start [OPTIONS] -- COMMAND..."
    )
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE",
        help=f"{' '.join(POSITIONALS)}, as many as wanted; NPROC may be auto; the rest is as the configuration says",
    )  # fmt: skip
    add_config_arguments(parser)
    parser.add_argument("--name", metavar="N", help="the run's name (default: from the data set or the command)")
    parser.add_argument("--part-of", metavar="RUN", help="this run works for RUN, and is listed below it")
    parser.add_argument(
        "--tty", action="store_true", help="with a terminal of its own, for `vlad attach` (pdb, python -i)"
    )
    parser.add_argument("--attach", action="store_true", help="--tty, and attach at once")
    parser.add_argument("--follow", action="store_true", help="follow the log; exit with the run's outcome")
    parser.add_argument("--dry-run", action="store_true", help="check everything, say what would run, start nothing")
    parser.add_argument(
        "--restarts", type=_budget, metavar="N",
        help=f"restarts without new checkpoint between (default {RestartPolicy().budget}, of a COMMAND {NO_RESTART})",
    )  # fmt: skip
    add_grace_argument(parser)
    add_queue_arguments(parser)
    add_folder_argument(parser)
    add_following_arguments(parser)
    add_hang_arguments(parser)
    add_json(parser)
    parser.description = f"{parser.description}\nWith --follow, {OUTCOMES}."


def _run(arguments: Namespace) -> int:
    spec = _training_spec(arguments) if arguments.command is None else _command_spec(arguments)
    if arguments.dry_run:
        return _told(spec, as_json=arguments.json)
    run = _started(our_home(), spec)
    if arguments.json:
        print_json({"run_id": run.run_id, "directory": str(run.path), "log": str(run.attempt(1).console)})
    else:
        _announce(run)
    if arguments.attach:
        return attached(run)
    if not arguments.follow:
        return 0
    record = follow_until_end(run, 1, 0, output_to(sys.stdout))
    return DETACHED if record is None else exit_code(record)


def _told(spec: RunSpec, *, as_json: bool) -> int:
    """What would be started; nothing of it is written down."""
    argv = redacted(spec.argv)
    if as_json:
        print_json({"name": spec.name, "argv": argv, "nproc": spec.nproc, "gpus": spec.gpus and spec.gpus.count})
    else:
        print(f"{spec.name}: {shlex.join(argv)}")
    return 0


def attached(run: RunDirectory) -> int:
    from vlad.commands.watching.attach import attach

    return attach(run)


def _has_terminal(arguments: Namespace) -> bool:
    """Raises CliError for what does not go together."""
    if arguments.attach and (arguments.follow or arguments.json):
        raise CliError(f"--attach shows the run itself; leave out {'--follow' if arguments.follow else '--json'}")
    if arguments.attach and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("--attach needs a terminal; --tty starts a run to attach to later")
    return bool(arguments.tty or arguments.attach)


def _started(home: Home, spec: RunSpec) -> RunDirectory:
    from vlad.supervise import detach
    from vlad.supervise.adopt import adopt_orphans
    from vlad.supervise.create import create_run

    adopt_orphans(home)
    run = create_run(home, spec)
    detach.start(run)
    return run


def _announce(run: RunDirectory) -> None:
    """stdout gets the id and nothing else, so that a script can take it."""
    print(run.run_id, flush=True)
    say(f"log     {run.attempt(1).console}")
    if run.read_spec().has_terminal:
        say(f"attach  vlad attach {run.run_id}")
    say(f"follow  vlad logs -f {run.run_id}   or   vlatui {run.run_id}")
    warn_of_logout()


def _training_spec(arguments: Namespace) -> RunSpec:
    refuse_folder_argument(arguments)
    refuse_following_arguments(arguments)
    _refuse_program(arguments.figures)
    file = config_file(arguments.config)
    resolved = resolved_config(arguments, figures_with_gpus(arguments), file, check=True)
    for note in resolved.notes:
        say(note)
    for warning in resolved.warnings:
        say(f"warning: {warning}")
    at = time.time()
    run_id = new_run_id(_name(arguments.name, _training_name(resolved)), at)
    python = chosen_python(arguments.python)
    spec_file = our_home().run(run_id).spec
    return RunSpec(
        run_id=run_id, name=name_in(run_id), kind=Kind.TRAIN, created_at=at, created_by=own_user(),
        argv=trainer_argv(python, resolved.nproc, str(spec_file)), cwd=str(Path.cwd()), nproc=resolved.nproc,
        environment=_with_caches(training_environment(os.environ), resolved), config=resolved.config,
        config_file=str(file.absolute()), resume_from=resolved.text_of("resume_adapter_dir") or None,
        gpus=wish_of_trainer(arguments, resolved.nproc, resolved.text_of("device")), priority=arguments.priority,
        after=followed_runs(arguments), part_of=_whole(arguments),
        restart=_restart_policy(arguments, RestartPolicy().budget), stop=chosen_ladder(arguments, Kind.TRAIN),
        hang=chosen_hang_policy(arguments, OnHang.RESTART), has_terminal=_has_terminal(arguments),
        host=os.uname().nodename, tty=own_terminal(), git_commit=git_commit(Path.cwd()),
        packages=package_versions(python),
    )  # fmt: skip


def _with_caches(environment: dict[str, str], resolved: ResolvedConfig) -> dict[str, str]:
    """As the original launcher: downloads go below the project, unless HF_HOME says otherwise."""
    return {"HF_HOME": resolved.text_of("cache_dir"), **environment} if resolved.text_of("cache_dir") else environment


def _command_spec(arguments: Namespace) -> RunSpec:
    command = tuple(arguments.command)
    _refuse_trainer_arguments(arguments)
    if not command:
        raise CliError("nothing stands after --; `vlad start -- COMMAND...` supervises any program")
    folder = chosen_folder(arguments)
    refuse_missing_program(command[0], folder)
    _warn_of_secrets(command)
    at, nproc = time.time(), processes_of(command)
    run_id = new_run_id(_name(arguments.name, _command_name(command)), at)
    return RunSpec(
        run_id=run_id, name=name_in(run_id), kind=Kind.COMMAND, created_at=at, created_by=own_user(), argv=command,
        cwd=str(folder), environment=kept_environment(os.environ), nproc=nproc,
        gpus=wish_of_command(arguments, nproc or 1), priority=arguments.priority, after=followed_runs(arguments),
        restart=_restart_policy(arguments, NO_RESTART), stop=chosen_ladder(arguments, Kind.COMMAND),
        hang=chosen_hang_policy(arguments, OnHang.REPORT), has_terminal=_has_terminal(arguments),
        host=os.uname().nodename, tty=own_terminal(), git_commit=git_commit(folder),
        part_of=_whole(arguments), early_stop=arguments.early_stop, log_patterns=chosen_patterns(arguments),
    )  # fmt: skip


def _warn_of_secrets(command: tuple[str, ...]) -> None:
    if redacted(command) != list(command):
        say(
            "warning: a secret stands on the command line, where `ps` shows it to everybody, and is kept in the run's "
            "spec.json (yours alone) for later attempts; a variable like HF_TOKEN reaches the job and no file"
        )


def _refuse_trainer_arguments(arguments: Namespace) -> None:
    given = {
        " ".join(arguments.figures): arguments.figures, "--config": arguments.config, "--profile": arguments.profile,
        "--resume": arguments.resume, "--from-scratch": arguments.from_scratch,
        "--set": arguments.settings, "--project-root": arguments.project_root, "--python": arguments.python,
    }  # fmt: skip
    for name, value in given.items():
        if value:
            raise CliError(f"{name} is for our trainer; it means nothing to the command after --")


def _refuse_program(figures: list[str]) -> None:
    """Raises CliError for the words of a program where figures belong."""
    if figures and figures[0] != AUTO and (figures[0].endswith((".py", ".sh")) or shutil.which(figures[0])):
        raise CliError(f"{figures[0]} is a program, which comes after --: `vlad start -- {shlex.join(figures)}`")


def _restart_policy(arguments: Namespace, budget: int) -> RestartPolicy:
    """Who debugs a run in its terminal wants to see its end, not its restart."""
    default = NO_RESTART if arguments.tty or arguments.attach else budget
    return RestartPolicy(budget=default if arguments.restarts is None else arguments.restarts)


def _name(asked: str | None, found: str) -> str:
    """The name asked for as it is; a found one made to fit."""
    if asked is not None:
        return asked
    fitting = _NOT_IN_A_NAME.sub("-", found).strip("-._")[:40]
    return fitting if NAME.fullmatch(fitting) else "run"


def _whole(arguments: Namespace) -> str | None:
    """The id of the run that this one is a part of. Raises RecordError for a run that there is not."""
    return None if arguments.part_of is None else found_run(arguments.part_of).run_id


def _training_name(resolved: ResolvedConfig) -> str:
    """E.g. libero_spatial-method."""
    dataset = resolved.text_of("dataset_name").removesuffix("_no_noops")
    note = resolved.text_of("run_id_note")
    return f"{dataset}-{note}" if note else dataset


def _command_name(command: tuple[str, ...]) -> str:
    """The script that it runs (`torchrun … train.py` is "train"), else the program."""
    scripts = [word for word in command if word.endswith((".py", ".sh"))]
    return Path((scripts or command)[0]).stem


START = Command(
    run=_run,
    add=_add,
    takes_command=True,
    examples="""
    vlad start                                           configs/method_icsm_hsw_thermostat.yaml, as its profile says
    vlad start auto 10000 1000 1000 5                    processes, steps, save every, evaluate every, patience
    vlad start 8 --config my.yaml --profile v100_8gpu --set learning_rate=2e-4 --name spatial
    vlad start --resume newest                           go on from the newest adapter of this run's name
    RESUME_ADAPTER=adapter-tmp/x RESUME_STEP=500 vlad start
    vlad start --config configs/demo.yaml --follow       Ctrl-C only stops following
    vlad start --gpus 2 --after spatial --config my.yaml when spatial has succeeded, on two GPUs that are free
    vlad start --name theirs --gpus auto -- torchrun --nproc-per-node 8 their_script.py
    vlad start --early-stop patience=5,min_delta=0.1 -- bash run_method_train.sh
    vlad start auto 10000 --gpus 2 --dry-run             checks it all, starts nothing
    vlad start --attach -- python -m pdb my_script.py    a terminal of its own, which survives this one
    """,
)
