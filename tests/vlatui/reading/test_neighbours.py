"""GPUs and foreign trainings of the host: read, shown, adopted."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from dashboards import until_told
from fake_runs import NOW, FakeRun, nobody
from screen_text import screen_text, until, until_shown
from vlad.host.gpus import GpuHolder, GpuReading, GpuReport
from vlad.host.neighbours import HostView, NeighbourReader
from vlad.host.owners import Owner
from vlad.records.foreign import ForeignJob
from vlad.records.gpus import LeasedGpu
from vlad.records.home_view import HomeReader, HomeView
from vlad.records.rundir import Home, RunDirectory
from vlatui.app import VlatuiApp
from vlatui.reading.messages import HostRead
from vlatui.sites.vlad import Answer
from vlatui.telling.gpu_strip import Load, gpu_lines, held_by, load_of, load_spark
from vlatui.widgets.run_table import RunTable

GIB = 2**30
ADOPTED = "20261122-1300-finetune-0004"
Make = Callable[..., VlatuiApp]


def gpu(index: int, **changes: object) -> GpuReading:
    reading = GpuReading(
        index=index, uuid=f"GPU-{index}", name="RTX 4090", total_bytes=24 * GIB, used_bytes=18 * GIB, utilisation=87,
        temperature_c=67,
    )  # fmt: skip
    return msgspec.structs.replace(reading, **changes)


def job(log: str | None = None) -> ForeignJob:
    return ForeignJob(
        process=nobody(4711), pids=(4711, 4712), user=os.geteuid(), command=("python", "vla-scripts/finetune.py"),
        started_at=NOW - 7200, tty="pts/9", gpus=(1,), log=log, log_by="its output", step=1200, success_rate=61.0,
    )  # fmt: skip


def text(host: HostView, home: HomeView, width: int = 100, most: int = 8) -> list[str]:
    lines = gpu_lines(host, home, {0: [Load(0, 100), Load(50, 50), Load(100, 75)]}, width, most)
    return ["".join(span.text for span in line) for line in lines]


def test_a_gpu_tells_its_load_its_memory_and_its_holder(home: Home, runs: dict[str, RunDirectory]) -> None:
    record = runs["training"].read_record()
    leased = msgspec.structs.replace(record, gpus=(LeasedGpu(uuid="GPU-0", index=0),))
    runs["training"].write_record(leased)
    view = HomeReader(home).read()
    trained, other = gpu(1, holders=(GpuHolder(pid=4712),)), gpu(2, holders=(GpuHolder(pid=9),))
    host = HostView((gpu(0), trained, other, gpu(3), gpu(4, used_bytes=GIB)), "", (job(),))
    lines = text(host, view)
    assert "▁▄█  87%" in lines[0]
    assert "█▄▆ 18.0/24 GiB" in lines[0]
    assert "67°" in lines[0]
    assert [said(one, host, view) for one in host.gpus] == [
        "tabletop_demo", "process 4711, not vlad's", "process 9", "used by others", "free",
    ]  # fmt: skip


def said(one: GpuReading, host: HostView, home: HomeView) -> str:
    return "".join(span.text for span in held_by(one, host, home))


def holders(*pids: int) -> tuple[GpuHolder, ...]:
    return tuple(GpuHolder(pid=pid) for pid in pids)


def test_everybody_who_has_memory_on_a_gpu_is_named_once(home: Home, runs: dict[str, RunDirectory]) -> None:
    record = runs["training"].read_record()
    runs["training"].write_record(msgspec.structs.replace(record, gpus=(LeasedGpu(uuid="GPU-0", index=0),)))
    view = HomeReader(home).read()
    owners = {
        1: Owner(record.run_id, "python", "ada"), 2: Owner(record.run_id, "python", "ada"),
        3: Owner("", "blender", "bob"), 4: Owner("20261122-0931-gone-7f3a", "python", "ada"), 5: Owner(),
    }  # fmt: skip
    host = HostView(owners=owners)
    assert said(gpu(0, holders=holders(1, 2)), host, view) == "tabletop_demo"
    assert said(gpu(0, holders=holders(1, 3)), host, view) == "tabletop_demo, blender of bob, pid 3"
    assert said(gpu(1, holders=holders(1, 2)), host, view) == "tabletop_demo"
    assert said(gpu(1, holders=holders(4, 5)), host, view) == "20261122-0931-gone-7f3a, process 5"
    assert said(gpu(1, holders=holders(6, 7, 8, 9)), host, view) == "process 6, process 7, process 8 +1"


def test_a_full_gpu_and_one_that_tells_nothing_have_loads() -> None:
    assert load_of(gpu(0)) == Load(87, 75)
    assert load_of(gpu(0, utilisation=None, total_bytes=0)) == Load(0, 0)


def test_a_narrow_strip_still_says_who_holds_a_gpu() -> None:
    assert "process 9" in text(HostView((gpu(0, holders=holders(9)),)), HomeView("h"), width=52)[0]


def test_a_broken_card_and_an_unreadable_driver_say_so() -> None:
    assert "ECC" in text(HostView((gpu(0, fault="ECC errors"),)), HomeView("h"))[0]
    assert "NVML: timeout" in text(HostView((), "NVML: timeout"), HomeView("h"))[0]
    assert text(HostView(), HomeView("h")) == []


def test_many_gpus_share_lines_and_never_fill_the_screen() -> None:
    host = HostView(tuple(gpu(index) for index in range(8)))
    assert len(text(host, HomeView("h"), width=160)) == 4
    assert len(text(host, HomeView("h"), width=80, most=3)) == 3
    assert "and 6 more: vlad gpus" in text(host, HomeView("h"), width=80, most=3)[-1]


def test_a_load_spark_is_always_as_wide_and_counts_from_0_to_100() -> None:
    assert load_spark([0, 100]) == " " * 10 + "▁█"
    assert len(load_spark([])) == 12


def test_gpus_are_read_from_the_provider_that_the_environment_names(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gpus.json"
    file.write_bytes(msgspec.json.encode(GpuReport(gpus=(gpu(0), gpu(1)))))
    monkeypatch.setenv("VLAD_GPU_PROVIDER", str(file))
    reader = NeighbourReader(home.prepare())
    assert [one.index for one in reader.read(0.0).gpus] == [0, 1]
    file.write_bytes(b"{")
    assert "gpus.json" in reader.read(1.0).gpu_failure


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts a process that looks like a training of somebody, writing a log."""
    script = tmp_path / "finetune_mine.py"
    script.write_text("import time\nprint('[train] step 7 loss 0.5', flush=True)\ntime.sleep(300)\n")
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "mine.log").open("wb") as log:
            started.append(subprocess.Popen([sys.executable, str(script)], stdout=log, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_training_not_started_by_vlad_is_found_with_its_log(
    home: Home, training: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    process = training()
    reader = NeighbourReader(home.prepare())

    def found() -> Sequence[ForeignJob]:
        reader.look_soon()
        return [one for one in reader.read(0.0).foreign if one.process.pid == process.pid]

    from patience import until as until_true

    (mine,) = until_true(found, "the training is found")
    assert mine.log == str(tmp_path / "mine.log")


async def test_a_foreign_training_is_listed_with_its_log_and_can_be_adopted(
    dashboard: Make, runs: dict[str, RunDirectory], tmp_path: Path
) -> None:
    log = tmp_path / "RUN_METHOD_RESUME_7.log"
    log.write_text("[train] step 1200 of somebody\n")
    asked: list[list[str]] = []

    def vlad(arguments: Sequence[str], home: Home) -> Answer:
        asked.append(list(arguments))
        FakeRun(home, ADOPTED, age_s=1)
        return Answer(True, "adopted", f"{ADOPTED}\nprocess 4711 is this run now\n")

    app = dashboard(vlad=vlad)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until_shown(pilot, "3 live", "step 315 loss")
        app.screen_of_runs.post_message(HostRead(HostView((gpu(0), gpu(1)), "", (job(str(log)),))))
        await until_shown(pilot, "finetune.py", "foreign", "61%", "pts/9", "GPU 0", "GPU 1")
        await pilot.press("G")
        await until_shown(pilot, "not started by vlad", "step 1200 of somebody", "a adopts it")
        assert app.screen.query_one(RunTable).cursor_key == app.screen.query_one(RunTable).rows[-1].key
        await pilot.press("s")
        await until_told(pilot, "process 4711 is no run of vlad's; a adopts it")
        await pilot.press("a")
        await until_shown(pilot, "Adopt process 4711?", "Closing its terminal (pts/9) still ends it.")
        await pilot.press("y")
        await until(pilot, lambda: asked == [["adopt", "4711"]])
        await until(pilot, lambda: app.screen_of_runs.selected_id == ADOPTED, "the cursor is on the new run")
        await until_told(pilot, "process 4711 is a run now")


async def test_a_run_cannot_be_adopted(dashboard: Make, runs: dict[str, RunDirectory]) -> None:
    app = dashboard()
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until_shown(pilot, "3 live", "step 315 loss")
        await pilot.press("a")
        await until(pilot, lambda: any("can be adopted" in notice.message for notice in app._notifications))
        assert "Adopt process" not in screen_text(app)
