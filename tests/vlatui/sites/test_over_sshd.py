"""The dashboard with a real sshd between: everything that is done to runs of another host, and a line that is cut."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboards import FakeVlad, Make, requests_of, select
from fake_gpus import FakeGpus, fake_gpus
from fake_runs import NOW, FakeRun, succeeded_run
from other_hosts import RealSshd
from saved_adapters import saved_adapter
from screen_text import screen_text, until, until_shown
from supervised_runs import Lab, Run
from textual.pilot import Pilot
from vlad.records.home_view import HomeReader
from vlad.records.progress import CheckpointSaved
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.rundir import Home
from vlatui.app import VlatuiApp
from vlatui.sites.remote import RemoteSite
from vlatui.sites.ssh import Target
from vlatui.widgets.run_table import RunTable
from vlatui.widgets.start_line import StartLine

SIZE = (150, 44)
Sshd = Callable[..., RealSshd]
Train = Callable[[Home], FakeRun]
pytestmark = pytest.mark.xdist_group("sshd")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Lab]:
    """The runs of the other host; all of them are ended after the test."""
    laboratory = Lab(tmp_path / "gpubox")
    yield laboratory
    laboratory.runs += [Run(laboratory.home.run(run_id)) for run_id in laboratory.home.run_ids()]
    laboratory.close()


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    return fake_gpus(tmp_path, 2, monkeypatch)


def site_of(sshd: RealSshd) -> RemoteSite:
    return RemoteSite(Target(sshd.login), sshd.way(), adopts=False)


async def selected(pilot: Pilot[None], key: str) -> None:
    """The row of this key is under the cursor."""
    table = pilot.app.screen.query_one(RunTable)
    await until(pilot, lambda: any(row.key == key for row in table.rows), f"a row {key}")
    table.move_cursor_to(key)
    await until(pilot, lambda: table.cursor_key == key, f"{key} is selected")


async def test_runs_are_shown_and_asked(dashboard: Make, far: Lab, start_sshd: Sshd, train_in: Train) -> None:
    run = train_in(far.home)
    app = dashboard(others=[site_of(start_sshd(far.home))])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "127.0.0.1", "step 315 loss")
        await pilot.press("c")
        await until(pilot, lambda: requests_of(run.directory) == [Action.SAVE], "the request is there")


async def test_a_run_is_started_there_followed_and_stopped(
    dashboard: Make, far: Lab, start_sshd: Sshd, train_in: Train
) -> None:
    train_in(far.home)
    known = set(far.home.run_ids())
    app = dashboard(others=[site_of(start_sshd(far.home))])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "127.0.0.1", "step 315 loss")
        await pilot.press("n", "ctrl+t")
        line = app.screen.query_one(StartLine)
        await until(pilot, lambda: line.words.options, "its vlad tells what start takes")
        line.show("--name over -- sh -c 'echo started over there; exec sleep 300'")
        await until_shown(pilot, "New run on 127.0.0.1", "✓ can be started")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.screen_of_runs, "it is started")
        (run_id,) = set(far.home.run_ids()) - known
        run = Run(far.home.run(run_id))
        await until(pilot, lambda: app.screen_of_runs.selected_id == run_id, "the new run is selected")
        await until_shown(pilot, "started over there")
        await pilot.press("S")
        await until_shown(pilot, "Stop over now")
        await pilot.press("y")
        await until(pilot, lambda: run.record.state is State.STOPPED, "it is stopped there")
        await until_shown(pilot, "stopped")


async def test_what_its_host_has_is_offered_in_the_form(
    dashboard: Make, far: Lab, start_sshd: Sshd, tmp_path: Path, train_in: Train
) -> None:
    run = train_in(far.home)
    folders = [saved_adapter(tmp_path / "far" / name, age_s=9) for name in ("step-000300", "step-000200")]
    run.progress(CheckpointSaved(at=NOW, step=300, path=str(folders[0])))
    app = dashboard(others=[site_of(start_sshd(far.home))], vlad=FakeVlad())
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "127.0.0.1", "step 315 loss")
        await pilot.press("n", "ctrl+t")
        line = app.screen.query_one(StartLine)
        await until(pilot, lambda: line.words.options, "its vlad tells what start takes")
        assert {"4090_1gpu", "v100_8gpu"} <= set(line.words.profiles)
        assert any(path.endswith("demo.yaml") for path in line.words.configs)
        assert run.directory.run_id in line.words.runs
        await pilot.press("ctrl+o")
        await until_shown(pilot, "300", "200", "9s ago")
        await pilot.press("enter")
        await until(pilot, lambda: line.value.startswith(" --resume ") or line.value.startswith("--resume "), "chosen")
        assert any(str(folder) in line.value for folder in folders), "also one that no run has told of"


async def test_the_gpus_of_the_selected_host_are_shown(
    dashboard: Make, home: Home, far: Lab, start_sshd: Sshd, gpus: FakeGpus, tmp_path: Path, train_in: Train
) -> None:
    here = succeeded_run(home.prepare())
    there = train_in(far.home)
    other = tmp_path / "other-gpus.json"
    facts = {"name": "H200", "total_bytes": 140 * 2**30, "used_bytes": 70 * 2**30, "utilisation": 61}
    other.write_text(json.dumps({"gpus": [{"index": 0, "uuid": "GPU-far", **facts}], "driver": "580.1"}))
    sshd = start_sshd(far.home, VLAD_GPU_PROVIDER=str(other))
    app = dashboard(others=[site_of(sshd)], looks_at_host=True)
    async with app.run_test(size=SIZE) as pilot:
        await selected(pilot, there.directory.run_id)
        await until_shown(pilot, "GPU 0", "61%", "70.0/140 GiB")
        assert "GPU 1" not in screen_text(app)
        await select(pilot, here.directory)
        await until_shown(pilot, "GPU 0", "GPU 1", "/24 GiB")
        assert "70.0/140" not in screen_text(app)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training that vlad did not start, which writes a log."""
    script = tmp_path / "finetune_far.py"
    script.write_text("import time\nprint('[train] step 7 loss 0.5', flush=True)\ntime.sleep(600)\n")
    with (tmp_path / "far.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, str(script)], stdout=log, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def key_of(app: VlatuiApp, pid: int) -> str:
    """The key of the row of a foreign training of the other host; empty while there is none."""
    rows = app.screen_of_runs.query_one(RunTable).rows
    return next((row.key for row in rows if str(pid) in row.key and "127.0.0.1" in row.key), "")


async def test_a_training_of_somebody_there_is_followed_and_adopted(
    dashboard: Make, far: Lab, start_sshd: Sshd, stranger: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    app = dashboard(others=[site_of(start_sshd(far.home))], looks_at_host=True, vlad=FakeVlad())
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: key_of(app, stranger.pid), "it is listed")
        await selected(pilot, key_of(app, stranger.pid))
        await until_shown(pilot, "not started by vlad", "step 7 loss 0.5")
        with (tmp_path / "far.log").open("ab") as log:
            log.write(b"[train] step 8 loss 0.4\n")
        await until_shown(pilot, "step 8 loss 0.4")
        await pilot.press("a")
        await until_shown(pilot, f"Adopt process {stranger.pid}?")
        await pilot.press("y")
        await until(pilot, lambda: far.home.run_ids(), "it is a run there")
        (run_id,) = far.home.run_ids()
        await until(pilot, lambda: app.screen_of_runs.view.find(run_id), "it is listed as a run")
        await until(pilot, lambda: not key_of(app, stranger.pid), "it is foreign no longer")


async def test_a_run_here_is_compared_with_one_there(
    dashboard: Make, home: Home, far: Lab, start_sshd: Sshd, train_in: Train
) -> None:
    here, there = succeeded_run(home.prepare()), train_in(far.home)
    app = dashboard(others=[site_of(start_sshd(far.home))])
    async with app.run_test(size=SIZE) as pilot:
        for run in (here, there):
            await selected(pilot, run.directory.run_id)
            await pilot.press("space")
        await pilot.press("x")
        await until_shown(pilot, "Compare", here.directory.run_id[-4:], there.directory.run_id[-4:], "best success")


async def test_a_line_that_is_cut_leaves_runs_stale_until_it_is_there_again(
    dashboard: Make, far: Lab, start_sshd: Sshd, train_in: Train
) -> None:
    run = train_in(far.home)
    sshd = start_sshd(far.home)
    site = site_of(sshd)
    app = dashboard(others=[site])
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "127.0.0.1", "step 315 loss")
        sshd.close()
        sshd.cut(site)
        await until_shown(pilot, "not reached", "this is how it stood", "315/500", "step 315 loss")
        run.steps(316, 316)
        run.log(b"written while nobody listened\n")
        sshd.listen()
        await until_shown(pilot, "316/500", "written while nobody listened")
        await until(pilot, lambda: "not reached" not in screen_text(app), "it is reached")
        assert HomeReader(far.home).read().find(run.directory.run_id)
