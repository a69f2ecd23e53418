"""Folders that look like adapters on the disk."""

import os
from pathlib import Path

from fake_runs import NOW


def saved_adapter(folder: Path, *, age_s: float) -> Path:
    """An adapter saved `age_s` seconds before now, as the tests' frozen clock has it."""
    folder.mkdir(parents=True)
    mark = folder / "adapter_config.json"
    mark.write_text("{}")
    os.utime(mark, (NOW - age_s, NOW - age_s))
    return folder
