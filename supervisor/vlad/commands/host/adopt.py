"""vlad adopt: makes a run of a training that was started without vlad."""

import os
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path, PurePath

from vlad.commands.command import CliError, Command, add_json, our_home, print_json, say
from vlad.commands.host.foreign import adopted_processes
from vlad.commands.starting.following import add_following_arguments, chosen_patterns
from vlad.commands.starting.hanging import add_hang_arguments, chosen_hang_policy
from vlad.commands.starting.provenance import own_user
from vlad.host import processes
from vlad.host.foreign import described, foreign_jobs
from vlad.host.user_config import read_user_config
from vlad.policy.launch_argv import kept_environment, processes_of
from vlad.policy.training_programs import program_of
from vlad.records.foreign import ForeignJob
from vlad.records.history import NAME, new_run_id
from vlad.records.rundir import Home
from vlad.records.spec import Adopted, Kind, OnHang, RestartPolicy, RunSpec


def _pid(text: str) -> int:
    if not text.isdecimal() or not 1 < int(text) < 2**22:
        raise ArgumentTypeError(f"{text!r} is no process id; `vlad ps` lists trainings")
    return int(text)


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", type=_pid, help="any process of the training, as `vlad ps` lists it")
    parser.add_argument("--name", metavar="N", help="the run's name (default: from its program)")
    parser.add_argument("--log", metavar="FILE", help="its log (default: found by its output, tee, or open files)")
    add_following_arguments(parser)
    add_hang_arguments(parser)
    add_json(parser)


def _run(arguments: Namespace) -> int:
    from vlad.supervise import detach
    from vlad.supervise.create import create_run

    home = our_home()
    job = _found_job(arguments.pid, home)
    spec = _spec(arguments, job)
    run = create_run(home, spec)
    detach.start(run)
    if arguments.json:
        print_json({"run_id": run.run_id, "directory": str(run.path), "pid": job.process.pid, "log": spec_log(spec)})
        return 0
    print(run.run_id, flush=True)
    say(f"process {job.process.pid} and what it has started ({len(job.pids)} processes) are this run now")
    say(f"log     {spec_log(spec) or 'none found: neither steps nor evaluations can be seen; --log FILE names it'}")
    say("its exit code is known only where the kernel tells it (Linux 6.15 and newer); a closed terminal still ends it")
    return 0


def spec_log(spec: RunSpec) -> str | None:
    return spec.adopted.log if spec.adopted else None


def _found_job(pid: int, home: Home) -> ForeignJob:
    """The job that the process is of, else the process with all below it. Raises CliError for what is not to be had."""
    settings = read_user_config().foreign
    jobs = foreign_jobs(settings)
    job = next((one for one in jobs if pid in one.pids), None) or described(pid, settings)
    if job is None:
        raise CliError(f"there is no process {pid}; `vlad ps` lists trainings")
    if job.user != os.geteuid():
        raise CliError(f"process {pid} belongs to user {job.user}: only your own can be adopted")
    if processes.is_of_vlad(pid):
        raise CliError(f"process {pid} is of a run already; `vlad ps` tells of which")
    if job.process in adopted_processes(home):
        raise CliError(f"process {job.process.pid} is adopted already; `vlad ls` lists its run")
    if os.getpid() in job.pids:
        raise CliError(f"process {job.process.pid} has started this very command: it is no training of its own")
    return job


def _spec(arguments: Namespace, job: ForeignJob) -> RunSpec:
    """Without restarts: `vlad resume` launches the same command again, if a user wants that."""
    at = time.time()
    found = PurePath(program_of(job.command)).stem
    name = arguments.name or (found if NAME.fullmatch(found) else "adopted")
    environment = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in processes.environment_of(job.process.pid).items()
    }
    return RunSpec(
        run_id=new_run_id(name, at), name=name, kind=Kind.COMMAND, argv=job.command, cwd=job.cwd or "/",
        environment=kept_environment(environment), restart=RestartPolicy(budget=0), created_at=at,
        hang=chosen_hang_policy(arguments, OnHang.REPORT), created_by=own_user(), host=os.uname().nodename,
        tty=job.tty, early_stop=arguments.early_stop, log_patterns=chosen_patterns(arguments),
        adopted=Adopted(agent=job.process, log=_log(arguments.log, job)), nproc=processes_of(job.command),
    )  # fmt: skip


def _log(asked: str | None, job: ForeignJob) -> str | None:
    if asked is None:
        return job.log
    if not Path(asked).is_file():
        raise CliError(f"--log {asked}: there is no such file")
    return str(Path(asked).absolute())


ADOPT = Command(
    run=_run,
    add=_add,
    examples="""
    vlad ps                                       lists trainings that vlad did not start
    vlad adopt 4711 --name spatial
    vlad adopt 4711 --log runs/train_logs/RUN_METHOD_RESUME_7.log --early-stop patience=5,min_delta=0.1
    """,
)
