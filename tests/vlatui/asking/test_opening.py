"""Videos are opened where somebody can see them, and nothing but videos is."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from patience import until
from vlatui.asking.opening import open_video, opener


def everything(name: str) -> str:
    return f"/bin/{name}"


@pytest.mark.parametrize(
    ("environment", "platform", "program"),
    [
        ({"DISPLAY": ":0"}, "linux", "/bin/xdg-open"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", "/bin/xdg-open"),
        ({"DISPLAY": ""}, "linux", None),
        ({"SSH_CONNECTION": "1 2 3 4"}, "linux", None),
        ({"WSL_DISTRO_NAME": "Ubuntu"}, "linux", "/bin/wslview"),
        ({}, "darwin", "/bin/open"),
        ({"SSH_CONNECTION": "1 2 3 4"}, "darwin", None),
    ],
)
def test_where_there_is_a_display_there_is_an_opener(
    environment: Mapping[str, str], platform: str, program: str | None
) -> None:
    assert opener(environment, platform, everything) == program


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "episode 1.mp4"
    path.touch()
    return path


def display(tmp_path: Path, script: str) -> dict[str, str]:
    """An environment with a display, and with this script to open things."""
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {**os.environ, "DISPLAY": ":7", "PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_a_video_is_opened(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = display(tmp_path, f'printf %s "$1" > {tmp_path}/opened')
    monkeypatch.setenv("PATH", environment["PATH"])
    assert open_video(str(video), environment) == ""
    until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text() == str(video), "opened")


def test_an_opener_that_refuses_is_told_of(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = display(tmp_path, "exit 3")
    monkeypatch.setenv("PATH", environment["PATH"])
    assert open_video(str(video), environment) == "xdg-open found nothing to open it with"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gone.mp4", "gone.mp4 is not on this host"),
        ("program.desktop", "program.desktop is no video"),
        ("/bin/sh", "sh is no video"),
    ],
)
def test_what_is_no_video_of_this_host_is_not_opened(
    tmp_path: Path, name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = display(tmp_path, f"touch {tmp_path}/opened")
    monkeypatch.setenv("PATH", environment["PATH"])
    (tmp_path / "program.desktop").touch()
    assert open_video(str(tmp_path / name), environment) == why
    assert open_video("--help.mp4", environment) == "--help.mp4 is no video"
    assert not (tmp_path / "opened").exists()


def test_without_a_display_nothing_is_opened(video: Path) -> None:
    assert open_video(str(video), {}) == "there is no display here"
