"""What is remembered between visits, also by two dashboards at once."""

from functools import partial
from pathlib import Path

from patience import until
from vlad.records.rundir import Home
from vlatui.reading.threads import Threads
from vlatui.session import Session
from vlatui.settings import MOST_STARTED, Settings, load_settings, merged
from vlatui.sites.local import LocalSite
from vlatui.sites.sites import Sites
from vlatui.telling.run_filter import RunSort


def session(folder: Path) -> Session:
    sites = Sites(LocalSite(Home(folder / "home")))
    return Session(
        sites=sites, home_name="home", settings_path=folder / "settings.json", threads=Threads((), print), tell=print
    )


def _is_kept(path: Path, line: str) -> bool:
    return line in load_settings(path).started


def test_two_dashboards_keep_what_each_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    one, other = session(tmp_path), session(tmp_path)
    one.remember(sort=RunSort.NAME)
    until(lambda: load_settings(path).sort is RunSort.NAME, "the sorting on disk")
    other.remember(has_headings=False)
    until(lambda: not load_settings(path).has_headings, "the headings on disk")
    assert load_settings(path).sort is RunSort.NAME
    assert other.settings.sort is RunSort.NEWEST


def test_lines_that_were_started_in_both_are_kept_the_newest_last(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    one, other = session(tmp_path), session(tmp_path)
    for number, asked in enumerate((one, other), 1):
        asked.remember_started(f"auto {number}")
        until(partial(_is_kept, path, f"auto {number}"), "the line on disk")
    assert load_settings(path).started == ("auto 1", "auto 2")


def test_only_so_many_lines_are_kept() -> None:
    lines = tuple(f"auto {number}" for number in range(MOST_STARTED))
    found = merged(Settings(started=lines), Settings(started=("auto 0", "auto x")), {"started"})
    assert found.started == (*lines[2:], "auto 0", "auto x")
