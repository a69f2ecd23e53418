"""From the text of a configuration file, a variable or a flag to the typed value of a field."""

import math
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.errors import ConfigError

FIELD_TYPES: dict[str, Any] = get_type_hints(FinetuneConfig)
TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})
NOTHING = frozenset({"", "null", "none", "~"})


def known_field(name: str) -> str:
    """The field that `name` means ("batch-size" is batch_size). Raises ConfigError with a suggestion."""
    wanted = name.replace("-", "_")
    if wanted in FIELD_TYPES:
        return wanted
    close = get_close_matches(wanted.lower(), FIELD_TYPES, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else "`vlad config` lists all fields"
    raise ConfigError(f"unknown field {name!r}: {hint}")


def coerce(name: str, text: str) -> Any:
    """The value that `text` means for the field. Raises ConfigError naming the flag, the text and what is allowed."""
    wanted, is_optional = _without_none(FIELD_TYPES[name])
    if is_optional and text.strip().lower() in NOTHING:
        return None
    try:
        return _parse(wanted, text)
    except ValueError:
        also = ", or null" if is_optional else ""
        raise ConfigError(f"--{name} {text!r}: it must be {describe_type(wanted)}{also}", name) from None


def describe_type(wanted: Any) -> str:
    """A field's type in words for messages and help."""
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return "one of " + "|".join(wanted)
    words = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path", str: "text"}
    return words.get(wanted, "a list of whole numbers such as [-2, -1]")


def type_in_words(name: str) -> str:
    """The type of a field for `--help`."""
    wanted, is_optional = _without_none(FIELD_TYPES[name])
    return describe_type(wanted) + (" or null" if is_optional else "")


def takes_list(name: str) -> bool:
    """Whether the field holds several values."""
    return bool(_without_none(FIELD_TYPES[name])[0] == tuple[int, ...])


def _without_none(annotation: Any) -> tuple[Any, bool]:
    members = get_args(annotation)
    if NoneType not in members:
        return annotation, False
    (wanted,) = (member for member in members if member is not NoneType)
    return wanted, True


def _parse(wanted: Any, text: str) -> Any:
    if wanted is str:
        return text
    stripped = text.strip()
    if wanted is bool:
        return _truth(stripped.lower())
    if wanted is int:
        return _whole(stripped)
    if wanted is float:
        return _finite(stripped)
    if wanted is Path:
        return _path(stripped)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return wanted(stripped.lower())
    return tuple(_whole(part.strip()) for part in stripped.strip("[]").split(",") if part.strip())


def _truth(text: str) -> bool:
    if text not in TRUE | FALSE:
        raise ValueError(text)
    return text in TRUE


def _whole(text: str) -> int:
    """Also 1e4, which people write for steps."""
    try:
        return int(text)
    except ValueError:
        number = _finite(text)
        if not number.is_integer():
            raise
        return int(number)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(text).expanduser()
