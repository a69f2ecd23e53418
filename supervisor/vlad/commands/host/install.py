"""vlad install: what makes this host go on with interrupted runs after a restart, printed or written."""

import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path

from vlad.commands.command import CliError, Command, our_home, say
from vlad.commands.starting.provenance import own_user
from vlad.host.logind import ends_processes_of, is_lingering
from vlad.host.own_command import VLAD
from vlad.policy.boot_hooks import UNIT_NAME, Hook, container_entrypoint, crontab_line, systemd_unit, with_line

PATIENCE_S = 20.0
SYSTEMD_RUNS = Path("/run/systemd/system")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "hook", nargs="?", type=Hook, choices=list(Hook), metavar="HOOK",
        help=f"{', '.join(Hook)} (default: what fits this host)",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="write it to its place instead of printing it")


def _run(arguments: Namespace) -> int:
    hook = arguments.hook or fitting_hook()
    recover = (*VLAD, "recover")
    home = str(our_home().path)
    if not home.isprintable():  # a line break would begin a line of its own in a crontab or a unit
        raise CliError(f"VLAD_HOME {home!r}: a path with control characters cannot be written into {hook}")
    match hook:
        case Hook.CRON:
            _cron(crontab_line(recover, home), write=arguments.write)
        case Hook.SYSTEMD:
            _systemd(systemd_unit(recover, home), write=arguments.write)
        case Hook.CONTAINER:
            _container(container_entrypoint(recover, home), write=arguments.write)
    warn_of_logout()
    return 0


def fitting_hook() -> Hook:
    """systemd where it runs, else cron where it is, else this is taken for a container."""
    if SYSTEMD_RUNS.exists() and shutil.which("systemctl"):
        return Hook.SYSTEMD
    return Hook.CRON if shutil.which("crontab") else Hook.CONTAINER


def warn_of_logout() -> None:
    """Nothing that a program can do for itself prevents what logind does."""
    if ends_processes_of(own_user()):
        say("warning: systemd-logind ends all your processes when you log out, runs too; `loginctl enable-linger`")


def _cron(line: str, *, write: bool) -> None:
    if not write:
        print(line, end="")
        say("`vlad install cron --write` adds this line to your crontab")
        return
    if shutil.which("crontab") is None:
        raise CliError("there is no crontab here; `vlad install systemd` or `vlad install container` may fit")
    before = _crontab("-l", content=None)
    _crontab("-", content=with_line(before, line))
    say("your crontab goes on with interrupted runs at every start of this host")


def _crontab(word: str, content: str | None) -> str:
    """An empty crontab is no error."""
    done = subprocess.run(["crontab", word], input=content, capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode and not (word == "-l" and "no crontab" in done.stderr):
        raise CliError(f"crontab {word}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout if done.returncode == 0 else ""


def _systemd(unit: str, *, write: bool) -> None:
    place = Path("~/.config/systemd/user").expanduser() / UNIT_NAME
    if write:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(unit)
        say(f"written to {place}")
    else:
        print(unit, end="")
        say(f"`vlad install systemd --write` writes this to {place}")
    say(f"then: systemctl --user daemon-reload && systemctl --user enable {UNIT_NAME}")
    if not is_lingering(own_user()):
        say("and: loginctl enable-linger   (else it starts at your first login, not with the host)")


def _container(entrypoint: str, *, write: bool) -> None:
    if write:
        raise CliError("an entrypoint belongs into your image: `vlad install container > entrypoint.sh`")
    print(entrypoint, end="")
    say('save it as entrypoint.sh, and: ENTRYPOINT ["/entrypoint.sh"]')


INSTALL = Command(
    run=_run,
    add=_add,
    examples="""
    vlad install                              prints what fits this host
    vlad install cron --write                 adds an @reboot line to your crontab
    vlad install systemd --write              writes a unit of your own
    vlad install container > entrypoint.sh
    """,
)
