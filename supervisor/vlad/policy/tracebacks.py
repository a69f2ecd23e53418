"""Python exceptions found in log text: which rank raised what, and where in the file that stands."""

import re
from dataclasses import dataclass, field, replace

from vlad.policy.failure import Excerpt

HEADER = "Traceback (most recent call last):"
MESSAGE_LINES = 6
_RANK = re.compile(r"\[(?:rank|default|trainer|worker)(\d+)\]:\s?")
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_HARMLESS = ("Exception ignored in", "Exception in thread")  # neither ends the program
_NAMED = re.compile(r"(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?::.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One exception: "Type: message" with the message's further lines; `cause` is the one that it was chained to."""

    text: str
    offset: int
    rank: int | None = None
    cause: "Raised | None" = None

    def chain(self) -> "list[Raised]":
        """This exception and those that led to it, the first cause first."""
        return [*(self.cause.chain() if self.cause else []), self]


def raised_in(excerpt: Excerpt) -> list[Raised]:
    """The exceptions that tracebacks of the excerpt end with, in the order of the file; ranks are told apart by the
    prefix that torch gives their lines."""
    readers: dict[int | None, _Reader] = {}
    for offset, line in excerpt.lines():
        match = _RANK.match(line)
        rank, text = (int(match[1]), line[match.end() :]) if match else (None, line)
        readers.setdefault(rank, _Reader(rank)).read(offset, text)
    return sorted((raised for reader in readers.values() for raised in reader.found), key=lambda raised: raised.offset)


def is_named(line: str) -> bool:
    """Whether a line begins like an exception, also where no traceback stands above it (a syntax error, say)."""
    return _NAMED.match(line) is not None


@dataclass(slots=True)
class _Reader:
    """Reads the lines of one rank, remembering whether a traceback is open."""

    rank: int | None
    found: list[Raised] = field(default_factory=list)
    _open: bool = False
    _message_lines: int = 0
    _cause: Raised | None = None
    _harmless: bool = False

    def read(self, offset: int, text: str) -> None:
        indented = text[:1] in (" ", "\t", "")
        if text.endswith(HEADER) and not indented:
            self._open, self._message_lines = True, 0
        elif self._open and not indented:
            self._close(offset, text)
        elif self._message_lines and indented and text.strip():
            self._lengthen(text)
        elif text.startswith(_CHAINED):
            self._cause = self.found[-1] if self.found else None
        elif text.startswith(_HARMLESS):
            self._harmless = True
        elif not indented:
            self._message_lines = 0

    def _close(self, offset: int, text: str) -> None:
        """The first line that is not indented ends a traceback; one that is no exception means a torn traceback."""
        self._open = False
        if _EXCEPTION.fullmatch(text) and not self._harmless:
            self.found.append(Raised(text=text, offset=offset, rank=self.rank, cause=self._cause))
            self._message_lines = 1
        self._cause, self._harmless = None, False

    def _lengthen(self, text: str) -> None:
        self._message_lines += 1
        if self._message_lines <= MESSAGE_LINES:
            self.found[-1] = replace(self.found[-1], text=f"{self.found[-1].text}\n{text.strip()}")
