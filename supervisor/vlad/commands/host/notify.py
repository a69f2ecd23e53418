"""vlad notify: sends a message to everybody who is configured, to see whether it arrives."""

import os
from argparse import ArgumentParser, Namespace

from vlad.commands.command import CliError, Command, say
from vlad.host.messenger import NotSent, send
from vlad.host.user_config import read_user_config, user_config_path


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("message", metavar="MESSAGE", nargs="?", default="This is what a message from vlad looks like.")


def _run(arguments: Namespace) -> int:
    settings = read_user_config().notify
    if not settings.urls:
        raise CliError(f"nobody to tell: name addresses under notify.urls in {user_config_path()}")
    try:
        send(settings.urls, f"vlad on {os.uname().nodename}", arguments.message)
    except NotSent as error:
        raise CliError(str(error)) from None
    say(f"sent to all {len(settings.urls)} of notify.urls; runs tell about: {', '.join(settings.about)}")
    return 0


NOTIFY = Command(
    run=_run,
    add=_add,
    examples="""
    vlad notify
    vlad notify "the night shift begins"
    """,
)
