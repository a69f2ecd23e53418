"""The vlatui command: reads its arguments, refuses in one line, and only then loads the dashboard."""

import gc
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from vlad.host.standard_streams import complete_standard_streams
from vlad.records.files import RecordError
from vlad.records.history import RUN_ID
from vlad.records.rundir import Home, default_home

from vlatui.sites.ssh import Way, is_target, target_of

BAD_INPUT = 2
EXAMPLES = """\
examples:
  vlatui                     all runs, live ones first
  vlatui last                with the newest run selected
  vlatui --home /mnt/runs    the runs kept elsewhere
  vlatui --readonly          look, but change nothing
  vlatui --web               in a browser of this host
  vlatui ada@gpubox v100:    the runs of other hosts too, over ssh

HOST is user@host, host: or user@host:/home/of/its/runs; vlad must be installed there (--vlad-path says where).
RUN is a run's id, a unique part of it, its name (the newest such run), or `last`.
Quitting never stops a run. Inside, ? shows the keys.
"""


class Parser(ArgumentParser):
    """Refuses in one line, like every other error here."""

    def error(self, message: str) -> NoReturn:
        raise RecordError(f"{message}; `{self.prog} --help` shows how")


def parser() -> ArgumentParser:
    made = Parser(
        prog="vlatui", description="A live dashboard of supervised training runs.", epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    made.add_argument("words", metavar="HOST|RUN", nargs="*", help="other hosts to show, the run to select")
    made.add_argument("--home", metavar="DIR", type=Path, help="where the runs are (default: $VLAD_HOME)")
    made.add_argument("--readonly", action="store_true", help="offer nothing that changes a run")
    made.add_argument("--mouse", choices=("on", "off"), help="default: on, but off inside tmux and screen")
    made.add_argument("--vlad-path", metavar="FILE", default="vlad", help="vlad on the other hosts")
    made.add_argument("--ssh-command", metavar="WORDS", default="ssh", help="how to connect, e.g. 'ssh -p 2222'")
    made.add_argument("--lang", choices=("en", "zh"), help="the language of labels (default: as LANG says)")
    made.add_argument("--web", action="store_true", help="in a browser of this host, at an address with a secret")
    made.add_argument("--port", type=int, default=8765, metavar="N", help="for --web; 0 is any (default: 8765)")
    made.add_argument("--version", action="store_true", help="print the version")
    return made


def main() -> None:
    """Entry point of the `vlatui` script."""
    complete_standard_streams()
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Runs one command line and returns its exit code: 0, or 2 for what cannot be meant."""
    try:
        arguments = parser().parse_args(words)
        return _tell_version() if arguments.version else _show(arguments)
    except RecordError as error:
        print(f"vlatui: {error}", file=sys.stderr)
        return BAD_INPUT


def _tell_version() -> int:
    from importlib.metadata import version

    print(f"vlatui {version('vlatui')}")
    return 0


def _show(arguments: Namespace) -> int:
    hosts = [word for word in arguments.words if is_target(word)]
    targets = [target_of(word) for word in dict.fromkeys(hosts)]
    way = Way(ssh=_words(arguments.ssh_command), vlad=arguments.vlad_path, readonly=arguments.readonly)
    home = _home(arguments.home)
    run_id = _wanted(home, [word for word in arguments.words if word not in hosts], has_hosts=bool(hosts))
    if arguments.web:
        return _serve(arguments)
    if not is_in_browser() and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RecordError("a terminal is needed; `vlad ls` and `vlad logs -f` work without one")
    gc.disable()  # garbage is collected after the first picture: nothing that is loaded until then is any
    from vlatui.app import run_app
    from vlatui.look.words import Language, choose, language_of
    from vlatui.sites.remote import RemoteSite

    choose(Language(arguments.lang) if arguments.lang else language_of(os.environ))
    others = [RemoteSite(target, way) for target in targets]
    has_multiplexer = "TMUX" in os.environ or "STY" in os.environ
    has_mouse = arguments.mouse == "on" or (arguments.mouse is None and not has_multiplexer)
    run_app(home, run_id, readonly=arguments.readonly, mouse=has_mouse, others=others)
    return 0


def _serve(arguments: Namespace) -> int:
    """Each page is a dashboard of its own, with the same arguments."""
    try:
        from vlatui.web import serve
    except ModuleNotFoundError as error:
        raise RecordError(f"--web needs {error.name}: pip install 'vlatui[web]'") from error
    options = ("home", "lang", "ssh_command", "vlad_path")
    named = [(option, getattr(arguments, option, None)) for option in options]
    words = [word for option, value in named if value for word in (f"--{option.replace('_', '-')}", str(value))]
    serve([*words, *(["--readonly"] if arguments.readonly else []), "--mouse", "on", *arguments.words], arguments.port)
    return 0


def is_in_browser() -> bool:
    """Whether a page that textual-serve made shows this process."""
    return os.environ.get("TEXTUAL_DRIVER", "").endswith("WebDriver")


def _home(folder: Path | None) -> Home:
    home = Home(folder.expanduser().absolute() if folder else default_home())
    if folder is not None and not home.path.is_dir():
        raise RecordError(f"--home {folder}: there is no such folder")
    return home


def _wanted(home: Home, words: Sequence[str], *, has_hosts: bool) -> str | None:
    """The id of the run to select. One of another host can only be named by its whole id."""
    if len(words) > 1:
        raise RecordError(f"{' '.join(words)}: one run can be selected; a host is written user@host or host:")
    if not words:
        return None
    return words[0] if has_hosts and RUN_ID.fullmatch(words[0]) else home.find(words[0]).run_id


def _words(command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise RecordError(f"--ssh-command {command!r}: {error}") from error
    if not words:
        raise RecordError("--ssh-command is empty; leave it out for ssh")
    return words


if __name__ == "__main__":
    main()
