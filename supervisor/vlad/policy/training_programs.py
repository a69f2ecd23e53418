"""Which command lines are trainings: by the program that is executed, not by words anywhere in them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath

from vlad.records.foreign import KNOWN_PROGRAMS

_INTERPRETERS = ("python*", "pypy*", "bash", "sh", "dash", "zsh")
_TAKES_A_WORD = frozenset({"-W", "-X", "-o", "-O"})


def program_of(argv: Sequence[str]) -> str:
    """The name of the script or module that an interpreter runs, else of the program; empty for code on the line.

    `python -u dir/finetune.py` is finetune.py, `bash run.sh` is run.sh, `python -m torch.distributed.run` the module.
    """
    if not argv or not argv[0]:
        return ""
    name = PurePath(argv[0]).name.removeprefix("-")
    if not any(fnmatchcase(name, pattern) for pattern in _INTERPRETERS):
        return name
    words = iter(argv[1:])
    for word in words:
        if word == "-m":
            return next(words, "")
        if word == "-c":
            return ""
        if word in _TAKES_A_WORD:
            next(words, "")
        elif not word.startswith("-"):
            return PurePath(word).name
    return name


def is_training(argv: Sequence[str], patterns: Iterable[str] = KNOWN_PROGRAMS) -> bool:
    """Whether the program that is executed has one of these names."""
    program = program_of(argv)
    return bool(program) and any(fnmatchcase(program, pattern) for pattern in patterns)


def roots_of(trainings: Iterable[int], parents: Mapping[int, int]) -> dict[int, int]:
    """For each training process the topmost one above it: the process of its job that was started first."""
    found = set(trainings)
    return {pid: _root(pid, found, parents) for pid in sorted(found)}


def _root(pid: int, trainings: set[int], parents: Mapping[int, int]) -> int:
    root, seen = pid, {pid}
    while (pid := parents.get(pid, 0)) and pid not in seen:
        seen.add(pid)
        root = pid if pid in trainings else root
    return root
