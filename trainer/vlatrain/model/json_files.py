"""The JSON files of model folders."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlatrain.errors import TrainerError


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises TrainerError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainerError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TrainerError(f"{path}: is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise TrainerError(f"{path}: holds a {type(value).__name__}, not an object")
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Indented, as the published ones are."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
