"""The base model's files on their way into memory while Python still imports libraries."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psutil

PIECE_BYTES = 64 << 20
LARGEST_SHARE = 0.5
"""Of the free memory: files that are larger would push each other out."""


def read_ahead(folder: Path) -> Thread | None:
    """Asks the system, in a thread, to read the weights in `folder`; None where they do not fit into its memory.

    What is there already costs nothing, and nobody waits for the rest: whoever reads a file finds what has come.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not hasattr(os, "posix_fadvise") or _size(paths) > LARGEST_SHARE * psutil.virtual_memory().available:
        return None
    thread = Thread(target=_ask_for, args=(paths,), name="read-ahead", daemon=True)
    thread.start()
    return thread


def _ask_for(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError), path.open("rb") as file:  # whoever loads the file says what is wrong with it
            for start in range(0, path.stat().st_size, PIECE_BYTES):
                os.posix_fadvise(file.fileno(), start, PIECE_BYTES, os.POSIX_FADV_WILLNEED)


def _size(paths: Sequence[Path]) -> int:
    sizes = 0
    for path in paths:
        with suppress(OSError):
            sizes += path.stat().st_size
    return sizes
