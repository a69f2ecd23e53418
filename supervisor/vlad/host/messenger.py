"""Sends messages through apprise, which is an extra: nothing else needs it."""

import logging
from collections.abc import Sequence

INSTALL = "apprise is not installed: `pip install 'vlatui[notify]'` in the environment of vlad"


class NotSent(Exception):
    """A message did not reach everybody; says whom by number, because addresses hold passwords."""


def send(urls: Sequence[str], title: str, body: str) -> None:
    """Sends to every address. Raises NotSent for those that were not reached, after all have been tried."""
    try:
        import apprise
    except ImportError:
        raise NotSent(INSTALL) from None
    logging.getLogger("apprise").disabled = True  # it writes whole addresses
    failed = []
    for number, url in enumerate(urls, start=1):
        messenger = apprise.Apprise()
        if not messenger.add(url):
            failed.append(f"address {number} of notify.urls is none that apprise knows")
        elif not messenger.notify(title=title, body=body):
            failed.append(f"address {number} of notify.urls ({url.partition(':')[0]}) was not reached")
    if failed:
        raise NotSent("; ".join(failed))
