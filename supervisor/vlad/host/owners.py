"""Whose a process is, as far as this user may see."""

import pwd
from dataclasses import dataclass

from vlad.host.processes import PROC, RUN_TAG, environment_of, read_stat


@dataclass(frozen=True, slots=True)
class Owner:
    """A process by the run that it is of (empty: none that we can see), its program and its user; empty: not told."""

    run_id: str = ""
    program: str = ""
    user: str = ""


def owner_of(pid: int) -> Owner:
    """Nobody for a process that is not there: in a container a pid may be of another world."""
    stat = read_stat(pid)
    if stat is None:
        return Owner()
    try:
        user = user_name((PROC / str(pid)).stat().st_uid)
    except OSError:
        return Owner()
    return Owner(environment_of(pid).get(RUN_TAG, b"").decode(errors="replace"), stat.name, user)


def user_name(number: int) -> str:
    """The name of a user, or the number where there is no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
