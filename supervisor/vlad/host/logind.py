"""Whether systemd-logind ends the processes of a user who logs out, which no detaching prevents."""

import re
from collections.abc import Iterable
from pathlib import Path

CONFIG_FOLDERS = ("usr/lib/systemd", "run/systemd", "etc/systemd")
_SETTING = re.compile(r"^\s*(KillUserProcesses|KillExcludeUsers|KillOnlyUsers)\s*=\s*(.*?)\s*$", re.MULTILINE)
YES = {"1", "yes", "true", "on"}


def ends_processes_of(user: str, root: Path = Path("/")) -> bool:
    """Whether processes of `user` are killed at logout. Root is exempt by default, and so is who lingers."""
    if not (root / "run/systemd/seats").exists() or is_lingering(user, root):
        return False
    settings = {"KillUserProcesses": "no", "KillExcludeUsers": "root", "KillOnlyUsers": ""}
    for file in _files(root):
        settings.update(_SETTING.findall(_text(file)))
    only, exempt = settings["KillOnlyUsers"].split(), settings["KillExcludeUsers"].split()
    return settings["KillUserProcesses"].lower() in YES and user not in exempt and (not only or user in only)


def is_lingering(user: str, root: Path = Path("/")) -> bool:
    """Whether `loginctl enable-linger` was said for the user."""
    return (root / "var/lib/systemd/linger" / user).exists()


def _files(root: Path) -> Iterable[Path]:
    """In the order in which systemd reads them: the main files, then all drop-ins by name."""
    yield from (root / folder / "logind.conf" for folder in CONFIG_FOLDERS)
    drop_ins = [file for folder in CONFIG_FOLDERS for file in (root / folder / "logind.conf.d").glob("*.conf")]
    yield from sorted(drop_ins, key=lambda file: file.name)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
