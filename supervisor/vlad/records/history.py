"""Run ids, and which runs ended last, without looking at all of them."""

import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from vlad.records.files import RecordError, last_lines


class Naming:
    """A regular expression that is compiled when it is first asked: a guard of a run mostly never asks."""

    def __init__(self, expression: str) -> None:
        self._expression = expression

    def fullmatch(self, name: str) -> bool:
        """Whether `name` is one."""
        import re

        return re.fullmatch(self._expression, name) is not None


LAST = "last"
NAME = Naming(rf"(?!{LAST}\Z)[A-Za-z0-9][A-Za-z0-9_.-]{{0,63}}")
RUN_ID = Naming(r"\d{8}-\d{4}-[A-Za-z0-9][A-Za-z0-9_.-]{0,63}-[0-9a-f]{4}")


def new_run_id(name: str, at: float) -> str:
    """A run id that sorts by time and reads well, e.g. 20261122-0931-libero_spatial-7f3a.

    Raises RecordError for a name that could be a path, an option or blank.
    """
    if name == LAST:
        raise RecordError(f"run name {name!r} is not allowed: it always means the newest run")
    if not NAME.fullmatch(name):
        raise RecordError(
            f"run name {name!r} is not allowed: letters, digits, '_', '.', '-' (first a letter or digit), 64 at most"
        )
    return f"{time.strftime('%Y%m%d-%H%M', time.localtime(at))}-{name}-{os.urandom(2).hex()}"


def name_in(run_id: str) -> str:
    """The name of the run with this id."""
    return run_id.split("-", 2)[2].rsplit("-", 1)[0]


def last_ended(listed: Path, most: int, counts: Callable[[str], bool]) -> list[str]:
    """The last of the list of ends that count; a run stands there once for each time that it ended."""
    found: dict[str, None] = {}
    for line in last_lines(listed):
        run_id = line.partition(" ")[0]
        if len(found) == most:
            break
        if RUN_ID.fullmatch(run_id) and counts(run_id):
            found[run_id] = None
    return list(found)


def newest_in(runs: Path, most: int, counts: Callable[[str], bool]) -> list[str]:
    """The newest by name of those that count; of a long history only names are read."""
    try:
        names = sorted((path.name for path in runs.iterdir()), reverse=True)
    except FileNotFoundError:
        return []
    return list(islice((name for name in names if RUN_ID.fullmatch(name) and counts(name)), most))
