"""Which command connects to another host: ssh with a `vlad serve` at its other end. Pure."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from vlad.records.files import RecordError
from vlad.remote.protocol import PROTOCOL

from vlatui.look.words import tr

SSH = ("ssh",)
OPTIONS = (
    "-T", "-e", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o",
    "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes",
)  # fmt: skip
_TARGET = re.compile(
    r"(?P<login>(?:[A-Za-z0-9_.-]+@)?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:]+\]))(?::(?P<home>.*))?"
)
OLDER_THERE = "{login}: its vlad {version} speaks protocol {theirs}, this vlatui {ours}; update the one there"
OLDER_HERE = "{login}: its vlad {version} speaks protocol {theirs}, this vlatui {ours}; update the one here"
NOT_FOUND = 127
SSH_FAILED = 255


@dataclass(frozen=True, slots=True)
class Target:
    """A host to show: `login` as ssh takes it, and the home of the runs there (empty: that user's own)."""

    login: str
    home: str = ""

    @property
    def label(self) -> str:
        """The host's name without its user, as short as it is clear."""
        return self.login.rpartition("@")[2].strip("[]")


def is_target(word: str) -> bool:
    """Whether a word of the command line means a host (user@host, host:, host:/home) and no run."""
    return "@" in word or ":" in word


def target_of(word: str) -> Target:
    """`user@host`, `host:` or `user@host:/its/vlad/home`. Raises RecordError for what could be anything else."""
    found = _TARGET.fullmatch(word)
    if found is None or word.startswith("-"):
        raise RecordError(f"{word!r} is no host: write user@host, host: or user@host:/path/of/its/runs")
    return Target(found["login"], found["home"] or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How other hosts are reached: the ssh command, and where vlad is there."""

    ssh: Sequence[str] = SSH
    vlad: str = "vlad"
    readonly: bool = False

    def argv(self, target: Target) -> list[str]:
        """The command that connects. ssh hands its last word to a shell, so every part of it is quoted."""
        return [*self.ssh, *OPTIONS, "--", _login(target), self.served(target.home)]

    def served(self, home: str) -> str:
        """What runs on the other host."""
        words = [_quoted(self.vlad), "serve", "--stdio", *(["--readonly"] if self.readonly else [])]
        return " ".join([*(["env", f"VLAD_HOME={_quoted(home)}"] if home else []), *words])

    def attaching(self, target: Target, run_id: str) -> list[str]:
        """The command that gives this terminal to a run there."""
        home = ["env", f"VLAD_HOME={_quoted(target.home)}"] if target.home else []
        words = " ".join([*home, _quoted(self.vlad), "attach", shlex.quote(run_id)])
        return [*self.ssh, "-t", "--", _login(target), words]


def _login(target: Target) -> str:
    return target.login.replace("[", "").replace("]", "")


def _quoted(path: str) -> str:
    """Quoted for a shell, which still puts the user's folder for a leading ~."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)


def failure_words(login: str, code: int | None, said: str) -> str:
    """Why there is no connection, and what to do, from ssh's exit code and last words."""
    last = said.strip().splitlines()[-1].strip() if said.strip() else ""
    if code == NOT_FOUND:
        return tr("{login}: vlad is not found there; install it or say where it is with --vlad-path", login=login)
    if "invalid choice" in said or "is no verb" in said:
        return tr("{login}: the vlad there knows no `serve`; update it", login=login)
    if "Permission denied" in said:
        return tr("{login}: ssh asks for a password, which nobody can type here; use a key or an agent", login=login)
    if "Host key verification failed" in said:
        return tr("{login}: its host key is not known; connect once with `ssh {login}`", login=login)
    if code == SSH_FAILED:
        return f"{login}: {last or tr('ssh lost the connection')}"
    return f"{login}: {last or tr('the connection has ended')}"


def no_answer(login: str, seconds: float) -> str:
    return tr("{login}: no answer within {seconds} s", login=login, seconds=f"{seconds:.0f}")


def other_protocol(login: str, version: str, protocol: int) -> str:
    """Which of the two is to be updated."""
    words = OLDER_THERE if protocol < PROTOCOL else OLDER_HERE
    return tr(words, login=login, version=version, theirs=protocol, ours=PROTOCOL)
