"""From the bytes of a log to the facts that its lines tell; every known format is tried, the user's first."""

import re
from collections.abc import Callable, Iterator, Sequence

from vlad.parsers import bars, dictionaries, lerobot, openvla, tagged
from vlad.parsers.facts import Fact

Parser = Callable[[str], Fact | None]
MOST_CHARACTERS = 4096
KNOWN: tuple[Parser, ...] = (tagged.parse, openvla.parse, lerobot.parse, dictionaries.parse, bars.parse)
_BREAK = re.compile(rb"[\r\n]+")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_RANK = re.compile(r"^\[(?:rank|default)\d+\]: ?")


def complete_end(content: bytes) -> int:
    """How many bytes of `content` are complete lines; a progress bar is one when it is drawn again."""
    return max(content.rfind(b"\n"), content.rfind(b"\r")) + 1


def facts_of(content: bytes, own: Sequence[Parser] = ()) -> Iterator[Fact]:
    """What complete lines tell. Of a line over 4096 characters only those are read: no parser ever sees more."""
    parsers = (*own, *KNOWN)
    for raw in _BREAK.split(content):
        line = _normalised(raw)
        if fact := next((fact for parse in parsers if line and (fact := parse(line)) is not None), None):
            yield fact


def _normalised(raw: bytes) -> str:
    """Without colours and torchrun's rank prefix, each run of blanks one blank."""
    text = _COLOUR.sub("", raw[: 4 * MOST_CHARACTERS].decode("utf-8", "replace")[:MOST_CHARACTERS])
    return _RANK.sub("", " ".join(text.split()))
