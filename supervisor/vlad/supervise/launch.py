"""Starts the program of an attempt: once, whatever dies while it is being started."""

import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from vlad.host.cgroup import oom_kills
from vlad.host.processes import own_identity
from vlad.records import failpoints
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import private_folder, write_new
from vlad.records.outcome import AgentClaim, ProcessIdentity
from vlad.supervise.terminal import take_terminal

EXIT_CANNOT_START = 127
CANNOT_START = b"vlad: cannot start "
PATIENCE_S = 20.0


class Handles(msgspec.Struct, frozen=True):
    """Descriptors that the agent gets: the run's lock, its lease of GPUs, and the terminal of a run that has one."""

    lock: int
    lease: int | None = None
    terminal: int | None = None


def launch(
    attempt: AttemptDirectory, argv: Sequence[str], environment: Mapping[str, str], cwd: str, handles: Handles
) -> ProcessIdentity:
    """Executes `argv` as the agent of the attempt, and returns who that is; an agent already there is returned instead.

    The agent has a session of its own, the run's lock as standard input, and console.log as standard output and error;
    with a terminal all three are that. A lease of GPUs stays open in it. It claims the attempt under its own name
    before it executes: of two that try (because a supervisor was killed in between) one goes on. Raises OSError where
    neither does.
    """
    private_folder(attempt.path)
    if (claim := attempt.read_agent()) is not None:
        return claim.identity
    failpoints.reach("launch.before_fork")
    closed_at_exec, held_by_child = os.pipe()
    if os.fork() == 0:
        os.close(closed_at_exec)
        _become_agent(attempt, argv, environment, cwd, handles)
    os.close(held_by_child)
    failpoints.reach("launch.after_fork")
    select.select([closed_at_exec], [], [], PATIENCE_S)
    os.close(closed_at_exec)
    claim = attempt.read_agent()
    if claim is None:
        raise OSError(f"the program of {attempt.path} was not started; see supervisor.log")
    return claim.identity


def _become_agent(
    attempt: AttemptDirectory, argv: Sequence[str], environment: Mapping[str, str], cwd: str, handles: Handles
) -> NoReturn:
    """In the forked child: never returns, not even by an exception."""
    status = 1
    try:
        _prepare(attempt, handles)
        status = _claim_and_execute(attempt, argv, environment, cwd)
    except BaseException as error:
        print(f"cannot start the program of {attempt.path}: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _prepare(attempt: AttemptDirectory, handles: Handles) -> None:
    os.setsid()
    _reset_signals()
    if handles.lease is not None:
        os.set_inheritable(handles.lease, True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    console = os.open(attempt.console, flags, 0o600)
    if handles.terminal is not None:
        os.set_inheritable(handles.lock, True)
        take_terminal(handles.terminal)
        return
    os.dup2(handles.lock, 0)
    os.dup2(console, 1)


def _reset_signals() -> None:
    """Python ignores some signals, and who started us may have ignored or blocked more; programs expect none of it."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _claim_and_execute(attempt: AttemptDirectory, argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> int:
    """Returns the exit status where the attempt has its agent already, or the program cannot be executed."""
    if not _claim(attempt):
        return 0
    failpoints.reach("launch.claimed")
    os.dup2(1, 2)
    try:
        os.chdir(cwd)
        os.execvpe(argv[0], list(argv), environment)
    except OSError as error:
        os.write(2, CANNOT_START + f"{argv[0]!r} in {cwd!r}: {error.strerror}\n".encode())
    return EXIT_CANNOT_START


def _claim(attempt: AttemptDirectory) -> bool:
    """Writes this process into agent.json, unless another stands there."""
    aside = attempt.path / f".agent.{os.getpid()}"
    claim = AgentClaim(identity=own_identity(), oom_kills=oom_kills())
    write_new(aside, msgspec.json.encode(claim))
    try:
        os.link(aside, attempt.agent)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


def cannot_start_message(attempt: AttemptDirectory) -> str | None:
    """Why the program could not be executed, where that is how the attempt ended."""
    first = _first_bytes(attempt.console)
    if not first.startswith(CANNOT_START):
        return None
    return first.split(b"\n", 1)[0].removeprefix(b"vlad: ").decode(errors="replace")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except FileNotFoundError:
        return b""
