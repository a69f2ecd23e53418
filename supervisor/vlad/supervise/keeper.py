"""The keeper: parent of last resort. Replaces a supervisor that dies, and records exits while there is none."""

import contextlib
import gc
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vlad.host import processes
from vlad.records import failpoints
from vlad.records.outcome import ProcessIdentity
from vlad.records.rundir import RunDirectory
from vlad.supervise import exits, locks
from vlad.supervise.observer import load_for
from vlad.supervise.queue import open_lease
from vlad.supervise.remarks import remark
from vlad.supervise.reserve import give_reserve
from vlad.supervise.supervisor import Ending, Supervisor
from vlad.supervise.terminal import Terminal, open_terminal

if TYPE_CHECKING:
    from vlad.host.leases import Lease

LOCK_PATIENCE_S = 2.0
SHORT_LIFE_S = 5.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
DISK_PAUSE_S = 1.0
READY = b"ready\n"
KEPT_ALREADY = b"kept already\n"


def main() -> None:
    """`vlad.supervise.detach` executes this with the run directory as the last argument, and reads one line from it."""
    run = RunDirectory(Path(sys.argv[-1]))
    _leave_terminal()
    guard = locks.open_lock(run.keeper_lock)
    if not locks.lock_within(guard, LOCK_PATIENCE_S):
        _answer(KEPT_ALREADY)
        return
    lease = open_lease(run)
    terminal = open_terminal(run)
    lock = locks.open_lock(run.lock)
    locks.try_lock(lock)
    _answer(READY)
    load_for(run)
    gc.collect()
    gc.freeze()
    processes.release_free_memory()
    live(run, lock, lease, terminal)


def _leave_terminal() -> None:
    """No parent, no controlling terminal and none to be had, no descriptors of others, no folder kept busy."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")


def _answer(line: bytes) -> None:
    """To the program that started us; the pipe is given up after it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, line)
    os.dup2(2, 1)


def live(run: RunDirectory, lock: int, lease: "Lease | None", terminal: Terminal | None) -> None:
    """Is keeper, and in the forked child supervisor; a supervisor whose keeper died is keeper from then on."""
    while True:
        keeper = keep(run)
        if keeper is None:
            return
        if supervise(run, lock, lease, terminal, keeper) is Ending.RUN_ENDED:
            os._exit(0)


def keep(run: RunDirectory) -> ProcessIdentity | None:
    """Forks supervisors until one says that the run has ended: None then. In the forked child: who is its keeper."""
    processes.become_subreaper()
    processes.set_process_name("vlad-keeper")
    me = processes.own_identity()
    pause_s = 0.0
    while run.spec.exists():
        began = time.monotonic()
        supervisor = os.fork()
        if supervisor == 0:
            return me
        if _has_ended_well(run, supervisor):
            return None
        is_short = time.monotonic() - began < SHORT_LIFE_S
        remark(f"the supervisor {supervisor} died; the next one starts in {pause_s:.1f} s")
        time.sleep(pause_s)
        pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S) if is_short else 0.0
    return None


def supervise(
    run: RunDirectory, lock: int, lease: "Lease | None", terminal: Terminal | None, keeper: ProcessIdentity
) -> Ending:
    processes.become_subreaper()
    processes.set_process_name("vlad-supervisor")
    failpoints.reach("supervisor.start")
    supervisor = Supervisor(run, lock, lease, terminal, keeper)
    try:
        return supervisor.run_until_ended()
    finally:
        supervisor.close()


def _has_ended_well(run: RunDirectory, supervisor: int) -> bool:
    """Waits for the end of the supervisor, and reaps every other child meanwhile."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        if ended.si_pid != supervisor and not _can_reap(run, ended):
            ended = os.waitid(os.P_PID, supervisor, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is not None and ended.si_pid == supervisor:
            os.waitpid(supervisor, 0)
            return ended.si_code == os.CLD_EXITED and ended.si_status == 0


def _can_reap(run: RunDirectory, ended: os.waitid_result) -> bool:
    """False where the disk refuses the record of an exit: the zombie keeps it until the disk does not."""
    try:
        exits.reap(run, ended)
    except OSError as error:
        remark(f"the exit of process {ended.si_pid} cannot be recorded yet: {error}")
        if not give_reserve(run, error):
            time.sleep(DISK_PAUSE_S)
        return False
    return True
