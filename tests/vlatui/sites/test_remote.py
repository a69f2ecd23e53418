"""Runs of another host beside those of this one: shown, read, acted upon, lost and found again."""

from pathlib import Path

import pytest
from dashboards import Make, requests_of, select, until_told
from fake_runs import FakeRun, succeeded_run
from other_hosts import StandInHost
from screen_text import screen_text, until, until_shown
from vlad.records.requests import Action
from vlad.records.rundir import Home
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.run_table import RunTable

SIZE = (140, 40)


@pytest.fixture
def host(tmp_path: Path, there: Home) -> StandInHost:
    return StandInHost(tmp_path / "gpubox", there)


async def test_runs_of_both_hosts_stand_in_one_table_and_the_tabs_show_the_other_ones(
    dashboard: Make, home: Home, host: StandInHost, remote_run: FakeRun
) -> None:
    succeeded_run(home.prepare())
    app = dashboard(others=[host.site()])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "  gpubox  ", "  here  ", "1 live", "✓ 1 succeeded")
        await select(pilot, remote_run.directory)
        await until_shown(pilot, "step 315 loss", "315 lines")
        await pilot.press("2")
        await until_shown(pilot, "84%")
        await pilot.press("3")
        await until_shown(pilot, "loss")
        await pilot.press("5")
        await until_shown(pilot, "asked for on gpubox")
        await pilot.press("6")
        await until_shown(pilot, "learning_rate", "0.0005")


async def test_the_log_of_another_host_is_followed_and_searched(
    dashboard: Make, host: StandInHost, remote_run: FakeRun
) -> None:
    app = dashboard(others=[host.site()])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 315 loss")
        remote_run.log(b"a line that is new\n")
        await until_shown(pilot, "a line that is new")
        await pilot.press("1", "enter", "slash", *"step 12 loss", "enter")
        await until_shown(pilot, "match 1 of 1")
        pane = app.screen.query_one(LogPane)
        assert pane.view.path is not None
        assert (
            app.session.sites.called(pane.view.path) == f"gpubox: {remote_run.directory.run_id}/attempts/1/console.log"
        )
        assert app.session.sites.near(pane.view.path).read_bytes().endswith(b"a line that is new\n")


async def test_what_is_asked_of_a_run_is_asked_on_its_host(
    dashboard: Make, host: StandInHost, remote_run: FakeRun
) -> None:
    app = dashboard(others=[host.site()])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 315 loss")
        await pilot.press("s")
        await until_shown(pilot, "Stop tabletop_demo?")
        await pilot.press("y")
        await until(pilot, lambda: requests_of(remote_run.directory) == [Action.STOP], "the request is there")
        await until_told(pilot, "asked to stop")


async def test_a_run_that_has_ended_is_removed_on_its_host(dashboard: Make, host: StandInHost, there: Home) -> None:
    ended = succeeded_run(there)
    app = dashboard(others=[host.site()])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "gpubox", "Early stopping at step 400")
        await pilot.press("D")
        await until_shown(pilot, "Remove")
        await pilot.press("y")
        await until(pilot, lambda: not ended.directory.path.exists(), "it is removed")


async def test_the_form_says_on_which_host_a_run_will_start(
    dashboard: Make, host: StandInHost, remote_run: FakeRun
) -> None:
    app = dashboard(others=[host.site()])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 315 loss")
        await pilot.press("n")
        await until_shown(pilot, "New run on gpubox")


async def test_a_lost_host_is_shown_as_it_stood_and_found_again(
    dashboard: Make, host: StandInHost, remote_run: FakeRun
) -> None:
    site = host.site()
    app = dashboard(others=[site])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "step 315 loss")
        host.go_down(site)
        await until_shown(pilot, "not reached", "this is how it stood", "315")
        remote_run.steps(316, 316)
        app.screen.query_one(RunTable).move_cursor_to("gpubox")
        await until_shown(pilot, "Connection refused")
        host.come_back()
        await until_shown(pilot, "316/500")
        await until(pilot, lambda: "not reached" not in screen_text(app), "it is reached")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vlad": "/nowhere/vlad"}, "vlad is not found there; install it or say where it is with --vlad-path"),
        ({"ssh": ("/nowhere/ssh",)}, "/nowhere/ssh cannot be started"),
    ],
    ids=["no vlad", "no ssh"],
)
async def test_a_host_that_cannot_be_used_says_why(
    dashboard: Make, host: StandInHost, changes: dict[str, object], words: str
) -> None:
    app = dashboard(others=[host.site(**changes)])
    async with app.run_test(size=(160, 30)) as pilot:
        await until_shown(pilot, "gpubox", "not reached", words)


async def test_a_vlad_of_another_protocol_is_told_apart(dashboard: Make, host: StandInHost) -> None:
    speaks = "from vlad.remote import frames, protocol; import sys, time; "
    hello = "protocol.Hello(protocol=99, version='9.0', host='gpubox', user='ada', home='/')"
    code = (
        f"{speaks}sys.stdout.buffer.write(frames.PREAMBLE + frames.frame({hello})); sys.stdout.flush(); time.sleep(9)"
    )
    vlad = host.folder / "other_vlad"
    vlad.write_text(host.vlad.read_text().replace('-m vlad.cli "$@"', f'-c "{code}"'))
    vlad.chmod(0o700)
    app = dashboard(others=[host.site(vlad=str(vlad))])
    async with app.run_test(size=(160, 30)) as pilot:
        await until_shown(pilot, "its vlad 9.0 speaks protocol 99, this vlatui 1; update the one here")


def test_nothing_of_another_host_stays_on_this_one(host: StandInHost, tmp_path: Path) -> None:
    site = host.site()
    assert site.home.path.is_dir()
    assert site.home.path.parent.stat().st_mode & 0o077 == 0
    site.stop()
    assert not any((tmp_path / "cache" / "vlatui").iterdir())
