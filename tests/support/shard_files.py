"""The files of an RLDS data set."""

from pathlib import Path


def shards_of(folder: Path) -> list[Path]:
    return sorted((folder / "1.0.0").glob("*.tfrecord-*"))
