"""The short process that sends a message: `vlad.supervise.notifying` executes it, and nobody waits for it."""

import logging
import signal
import sys
from pathlib import Path

import msgspec

from vlad.host.messenger import NotSent, send
from vlad.host.user_config import read_user_config
from vlad.policy.notices import progress_line
from vlad.records.files import RecordError
from vlad.records.rundir import RunDirectory
from vlad.records.summary_reading import read_summary
from vlad.supervise.notifying import Message

PATIENCE_S = 120
_log = logging.getLogger(__name__)


def main() -> None:
    """Sends the message that stands on the standard input, where its occasion is wanted; then ends, in any case."""
    signal.alarm(PATIENCE_S)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s", level=logging.WARNING)
    message = msgspec.json.decode(sys.stdin.buffer.read(), type=Message)
    try:
        settings = read_user_config().notify
        if settings.urls and set(message.occasions) & set(settings.about):
            send(settings.urls, message.title, _with_progress(message))
    except (NotSent, RecordError) as error:
        _log.warning("not everybody was told that %r: %s", message.title, error)


def _with_progress(message: Message) -> str:
    told = progress_line(read_summary(RunDirectory(Path(message.directory))).summary)
    return f"{told}\n{message.body}" if told else message.body
