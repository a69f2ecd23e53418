"""The innermost frames of a stack dump, as py-spy and as Python's faulthandler write it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vlad.records.outcome import Evidence

SECTION = re.compile(r"^== (?P<who>.+?) ==$")
_SPY_THREAD = re.compile(r'^Thread (?P<id>\S+) \((?P<state>[^)]*)\)(?:: "(?P<name>[^"]*)")?')
_SPY_FRAME = re.compile(r"^ {4}(?P<function>.+) \((?P<file>[^()]+):(?P<line>\d+)\)$")
_OWN_THREAD = re.compile(r"^(?P<current>Current thread|Thread) 0x\w+(?: \[[^\]]*\])? \(most recent call first\):")
_OWN_FRAME = re.compile(r'^ {2}File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)$')
PATH_PARTS = 2
DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread's frames, innermost first, each as "function (file.py:12)"; `offset` is where it begins."""

    is_main: bool
    offset: int
    frames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What the dump of one process says: who that is, and its threads."""

    who: str
    threads: tuple[Thread, ...]

    @property
    def main(self) -> Thread | None:
        """The thread that trains: the main one, else the one listed last (faulthandler lists the oldest last)."""
        with_frames = [thread for thread in self.threads if thread.frames]
        return next((thread for thread in with_frames if thread.is_main), with_frames[-1] if with_frames else None)


def sections(text: str) -> Iterator[Section]:
    """Every process of a dump that vlad has written."""
    who, lines = "", list[tuple[int, str]]()
    for offset, line in _with_offsets(text):
        if (match := SECTION.match(line)) is None:
            lines.append((offset, line))
            continue
        if who:
            yield Section(who, tuple(_threads(lines)))
        who, lines = match["who"], []
    if who:
        yield Section(who, tuple(_threads(lines)))


def _with_offsets(text: str) -> Iterator[tuple[int, str]]:
    offset = 0
    for line in text.split("\n"):
        yield offset, line
        offset += len(line.encode()) + 1


def _threads(lines: list[tuple[int, str]]) -> Iterator[Thread]:
    """Current thread and MainThread are the main one: a signal to a process is answered by its main thread."""
    is_main, start, frames = False, -1, list[str]()
    for offset, line in lines:
        spy, own = _SPY_THREAD.match(line), _OWN_THREAD.match(line)
        if spy or own:
            if start >= 0:
                yield Thread(is_main, start, tuple(frames))
            is_main = spy["name"] == "MainThread" if spy else own is not None and own["current"] == "Current thread"
            start, frames = offset, []
        elif start >= 0 and (match := _SPY_FRAME.match(line) or _OWN_FRAME.match(line)):
            frames.append(_frame(match))
    if start >= 0:
        yield Thread(is_main, start, tuple(frames))


def _frame(match: re.Match[str]) -> str:
    short = "/".join(match["file"].split("/")[-PATH_PARTS:])
    return f"{match['function']} ({short}:{match['line']})"


def evidence_of(text: str, file: str, most: int = 4) -> tuple[Evidence, ...]:
    """Where the ranks stand, or without ranks the other processes: the innermost frames of each main thread."""
    found = [(section, thread) for section in sections(text) if (thread := section.main) is not None]
    ranks = [(section, thread) for section, thread in found if section.who.startswith("rank ")]
    return tuple(
        Evidence(file=file, offset=thread.offset, text=f"{section.who}: {' < '.join(thread.frames[:DEEPEST])}")
        for section, thread in (ranks or found)[:most]
    )
