"""Fixtures of the dashboard's tests."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runs import NOW, many_states
from vlad.records.rundir import Home, RunDirectory
from vlatui.app import VlatuiApp


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One time zone, no settings of the user, no colour switches of the terminal."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("VLAD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def runs(home: Home) -> dict[str, RunDirectory]:
    """A home with a run in every interesting state, by short name."""
    return many_states(home)


@pytest.fixture
def dashboard(home: Home) -> Callable[..., VlatuiApp]:
    """Makes the dashboard on the test's home, at a frozen time, adopting nothing."""

    def make(**changes: Any) -> VlatuiApp:
        settings: dict[str, Any] = {
            "clock": lambda: NOW,
            "home_name": "~/.local/state/vlad",
            "adopts": False,
            "looks_at_host": False,
        }
        return VlatuiApp(home, **{**settings, **changes})

    return make
