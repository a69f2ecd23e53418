"""Files that Git left as pointers: a clone without Git LFS has 130 bytes of text where models and data belong."""

from pathlib import Path

BEGINNING = b"version https://git-lfs.github.com/spec/"
LONGEST_BYTES = 1024
ADVICE = "is a Git LFS pointer, not the file itself; fetch it: git lfs pull"


def is_pointer(path: Path) -> bool:
    """Whether the file only says which file belongs there. False for what cannot be read."""
    try:
        if path.stat().st_size > LONGEST_BYTES:
            return False
        with path.open("rb") as file:
            return file.read(len(BEGINNING)) == BEGINNING
    except OSError:
        return False
