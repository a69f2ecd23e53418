"""Opens a video where somebody can see it: with the platform's opener, on a host with a display."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from vlatui.look.words import tr

VIDEOS = frozenset((".avi", ".gif", ".mkv", ".mov", ".mp4", ".webm"))
REFUSAL_S = 3.0
"""How long an opener has to say that it cannot; one that is still at it then is taken to show the video."""


def opener(
    environment: Mapping[str, str], platform: str = sys.platform, which: Callable[[str], str | None] = shutil.which
) -> str | None:
    """The program that opens files of any kind; None where there is no display for it."""
    if platform == "darwin":
        return None if "SSH_CONNECTION" in environment else which("open")
    if "WSL_DISTRO_NAME" in environment and (found := which("wslview")) is not None:
        return found
    return which("xdg-open") if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") else None


def open_video(video: str, environment: Mapping[str, str]) -> str:
    """Opens a video of an evaluation. Returns why it could not be, else nothing. Waits up to 3 s.

    Only a whole path to a file of a video's kind is opened: what the opener would run is never taken from a record.
    """
    path = Path(video)
    if not path.is_absolute() or path.suffix.lower() not in VIDEOS:
        return tr("{name} is no video", name=path.name)
    if not path.is_file():
        return tr("{name} is not on this host", name=path.name)
    if (program := opener(environment)) is None:
        return tr("there is no display here")
    try:
        started = subprocess.Popen(
            [program, str(path)], env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        code = started.wait(REFUSAL_S)
    except subprocess.TimeoutExpired:
        return ""
    except OSError as error:
        return tr("{name} cannot be started: {reason}", name=Path(program).name, reason=error.strerror or error)
    return tr("{name} found nothing to open it with", name=Path(program).name) if code else ""
