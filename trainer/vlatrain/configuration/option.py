"""A field of the configuration with what `--help` says about it."""

from dataclasses import field
from typing import TypeVar

Value = TypeVar("Value")


def option(default: Value, help: str) -> Value:
    """A field with its default and the line that `--help` prints."""
    return field(default=default, metadata={"help": help})
