"""What the user has set: vlad's own files, the model hub, logout; and whether the clock is right."""

import ctypes
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from vlad.host.health.finding import Finding, Level
from vlad.host.logind import ends_processes_of
from vlad.host.user_config import read_user_config
from vlad.records.files import RecordError
from vlad.records.rundir import Home

HUB = "https://huggingface.co"
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
SKEW_S = 2.0
CLOCK_ERROR = 5  # TIME_ERROR of adjtimex(2): nobody keeps the clock right


def check_user_config(path: Path) -> Finding:
    """Readable, valid, and closed to others where it names addresses with passwords."""
    try:
        config = read_user_config(path)
        is_open = path.exists() and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except (OSError, RecordError) as error:
        return Finding(check="configuration", level=Level.PROBLEM, found=str(error), advice="correct it or remove it")
    if is_open and config.notify.urls:
        return Finding(
            check="configuration", level=Level.WARNING, found=f"{path} holds addresses and others may read it",
            advice=f"chmod 600 {path}",
        )  # fmt: skip
    return Finding(check="configuration", level=Level.OK, found=str(path) if path.exists() else "defaults")


def check_home(home: Path) -> Finding:
    try:
        Home(home).prepare()
    except RecordError as error:
        return Finding(check="runs", level=Level.PROBLEM, found=str(error))
    skew_s = _skew_s(home)
    if abs(skew_s) > SKEW_S:
        return Finding(
            check="runs", level=Level.WARNING, found=f"{home}: its clock is {skew_s:+.1f} s off this host's",
            advice="a network disk with a clock of its own; let both follow NTP",
        )  # fmt: skip
    return Finding(check="runs", level=Level.OK, found=f"{home}, for you alone")


def _skew_s(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()
        return os.fstat(file.fileno()).st_mtime - time.time()


def check_hub(environ: Mapping[str, str]) -> Finding:
    endpoint = environ.get("HF_ENDPOINT", HUB)
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return Finding(
            check="model hub", level=Level.PROBLEM, found=f"HF_ENDPOINT={endpoint} is no address",
            advice=f"unset it, or name a mirror such as {HUB}",
        )  # fmt: skip
    offline = [name for name in OFFLINE if environ.get(name, "0").lower() in {"1", "true", "yes", "on"}]
    if offline:
        return Finding(
            check="model hub", level=Level.NOTE, found=f"nothing is downloaded: {', '.join(offline)} is set",
            advice="models must be in HF_HOME, or named by their folder",
        )  # fmt: skip
    return Finding(check="model hub", level=Level.OK, found=f"{endpoint.rstrip('/')}")


def check_logout(user: str, root: Path = Path("/")) -> Finding:
    if ends_processes_of(user, root):
        return Finding(
            check="logout", level=Level.PROBLEM, found="systemd-logind ends all your processes when you log out",
            advice=f"loginctl enable-linger {user}",
        )  # fmt: skip
    return Finding(check="logout", level=Level.OK, found="your processes outlive it")


def check_clock(state: int | None = None) -> Finding:
    """`state` as adjtimex(2) returns it; the kernel is asked without it."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if (clock_state() if state is None else state) == CLOCK_ERROR:
        return Finding(
            check="clock", level=Level.NOTE, found=f"{now}; nobody keeps it right",
            advice="timedatectl set-ntp true, or chrony; durations are measured by another clock in any case",
        )  # fmt: skip
    return Finding(check="clock", level=Level.OK, found=now)


def clock_state() -> int:
    """Of the kernel's clock; 0 where it does not tell."""
    buffer = ctypes.create_string_buffer(512)  # struct timex is 208 bytes; no mode set = only read
    return max(0, int(ctypes.CDLL(None).adjtimex(buffer)))
