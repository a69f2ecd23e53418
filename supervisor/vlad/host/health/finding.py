"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How good that is: a note is worth knowing, a warning may hurt a run, a problem will."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`found` in one line; `advice` says what to do, empty for nothing."""

    check: str
    level: Level
    found: str
    advice: str = ""
