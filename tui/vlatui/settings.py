"""What the dashboard remembers between two visits: theme, tab, switches. A lost or strange file means defaults."""

import os
from collections.abc import Collection
from pathlib import Path

import msgspec
from vlad.records.files import replace_file

from vlatui.telling.run_filter import RunSort

MOST_STARTED = 50
"""Lines that were started are kept."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every field has a default; unknown fields of a newer version are left alone."""

    theme: str = "vlad-dark"
    tab: str = "log"
    wraps_log: bool = False
    sort: RunSort = RunSort.NEWEST
    has_headings: bool = True
    rings: bool = False
    notifies: bool = False
    hidden_columns: tuple[str, ...] = ()
    starts_by_line: bool = False
    started: tuple[str, ...] = ()


def merged(theirs: Settings, ours: Settings, changed: Collection[str]) -> Settings:
    """What was `changed` here over what another dashboard has kept; of lines that were started, those of both."""
    found = msgspec.structs.replace(theirs, **{name: getattr(ours, name) for name in changed})
    if "started" not in changed:
        return found
    others = [line for line in theirs.started if line not in ours.started]
    return msgspec.structs.replace(found, started=(*others, *ours.started)[-MOST_STARTED:])


def settings_file() -> Path:
    """`$XDG_CONFIG_HOME/vlatui/settings.json`, else below `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "vlatui" / "settings.json"


def load_settings(path: Path) -> Settings:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except (OSError, msgspec.DecodeError):
        return Settings()


def save_settings(path: Path, settings: Settings) -> None:
    """Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(settings))
