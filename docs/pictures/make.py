"""Draws the pictures of docs/dashboard.md from the tests' home of runs: one SVG a screen. Run by `make pictures`."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))

import msgspec  # noqa: E402 - lies beside the tests, as all below
from dashboards import FakeVlad  # noqa: E402
from fake_runs import NOW, falling_loss, many_states, nobody  # noqa: E402
from screen_text import until_shown  # noqa: E402
from vlad.host.gpus import GpuHolder, GpuReading  # noqa: E402
from vlad.host.neighbours import HostView  # noqa: E402
from vlad.records.foreign import ForeignJob  # noqa: E402
from vlad.records.gpus import LeasedGpu  # noqa: E402
from vlad.records.rundir import Home, RunDirectory  # noqa: E402
from vlad.records.spec import ConfigValue  # noqa: E402
from vlad_answers import RESOLVED, START_WORDS, foretold  # noqa: E402
from vlatui.app import VlatuiApp  # noqa: E402
from vlatui.reading.messages import HostRead  # noqa: E402
from vlatui.widgets.run_table import RunTable  # noqa: E402

SIZE = (120, 36)
GIB = 2**30
MEMORY = (0.93, 0.93, 0.55, 0.5, 0.62, 0.78, 0.9, 0.97, 1.0, 1.0, 1.0, 1.0)
"""Parts of what is used in the end, as loads and memory are told one after the other."""
LOADS = (
    (91, 88, 12, 8, 93, 95, 92, 88, 93, 90, 94, 92), (87, 92, 10, 7, 90, 94, 91, 87, 85, 91, 90, 93),
    (40, 62, 55, 71, 48, 66, 43, 58, 69, 37, 52, 66), (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
)  # fmt: skip
PICTURES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "log": ("training", (), ("saved adapters/demo/step-000300", "GPU 3")),
    "evaluations": ("training", ("2", "enter"), ("best 84%",)),
    "metrics": ("training", ("3",), ("smoothing 0.6",)),
    "why": ("failed", (), ("CUDA out of memory on rank 0", "4 lines")),
    "compare": ("training", ("space", "G", "k", "k", "space", "x"), ("Compare", "best success")),
    "new-run": ("training", ("n", "ctrl+t", *"auto 10000 1000 1000 5 --gpus 2"), ("GB to spare",)),
    "config": ("training", ("6", "enter", "equals_sign", "down", "down", "enter"), ("libero_object",)),
}
"""Of each picture: the run that is selected, the keys pressed, and what the screen shows when it is done."""


def write_log(run: RunDirectory) -> None:
    """What a training says: steps, an evaluation in between, and a checkpoint."""
    steps = [f"\x1b[32mINFO\x1b[0m step {step} loss {falling_loss(step):.4f} sec/step 0.40" for step in range(1, 316)]
    evaluation = [
        "\x1b[32mINFO\x1b[0m \x1b[1mevaluation at step 300\x1b[0m: 5 tasks of tabletop_new, 10 episodes each, 2 ranks",
        *(f"      {task:<34} {done}/10" for task, done in TASKS),
        "\x1b[32mINFO\x1b[0m success \x1b[1;32m84.0%\x1b[0m (71.5-91.7) of 50, the best so far; patience 0 of 5",
        "\x1b[33mWARN\x1b[0m min_delta 0.1 is below what 50 episodes can tell apart",
        "\x1b[32mINFO\x1b[0m saved adapters/demo/step-000300 (38 MiB) beside training",
    ]
    run.attempt(1).console.write_text("\n".join([*steps[:300], *evaluation, *steps[300:304]]) + "\n")


TASKS = (
    ("put the red block on the blue one", 9),
    ("push the green disc to the corner", 8),
    ("lift the yellow block", 10),
    ("put the disc into the bowl", 7),
    ("stack three blocks", 8),
)


def host() -> HostView:
    """Four cards: two of the run, one of a training that somebody started by hand, a free one."""
    used = (21.4, 21.2, 17.9, 0.4)
    holders = ((), (), (GpuHolder(pid=4712),), ())
    gpus = tuple(
        GpuReading(
            index=index, uuid=f"GPU-{index}", name="RTX 4090", total_bytes=24 * GIB, used_bytes=int(used[index] * GIB),
            utilisation=LOADS[index][-1], temperature_c=(67, 66, 61, 38)[index], holders=holders[index],
        )
        for index in range(4)
    )  # fmt: skip
    job = ForeignJob(
        process=nobody(4711), pids=(4711, 4712), user=1000, command=("python", "finetune_aloha.py"),
        started_at=NOW - 7200, tty="pts/9", gpus=(2,), log=None, log_by="", step=1200, success_rate=None,
    )  # fmt: skip
    return HostView(gpus, "", (job,))


async def draw(home: Home, name: str, run_id: str, keys: tuple[str, ...], shown: tuple[str, ...]) -> None:
    vlad = FakeVlad(config=RESOLVED, plan=foretold(22_700_000_000, fits=True), completions=START_WORDS)
    app = VlatuiApp(
        home, clock=lambda: NOW, home_name="~/.local/state/vlad", adopts=False, looks_at_host=False, vlad=vlad,
        settings_path=home.path / "settings.json",
    )  # fmt: skip
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "3 live", "step 304 loss", "Evaluations 7")
        for number in range(len(LOADS[0])):
            view = host()
            gpus = (
                msgspec.structs.replace(
                    gpu, utilisation=LOADS[gpu.index][number], used_bytes=int(gpu.used_bytes * MEMORY[number])
                )
                for gpu in view.gpus
            )
            app.screen_of_runs.post_message(HostRead(HostView(tuple(gpus), "", view.foreign)))
        await until_shown(pilot, "GPU 3", "finetune_aloha.py")
        app.screen.query_one(RunTable).move_cursor_to(run_id)
        await pilot.pause()
        await pilot.press(*keys)
        await until_shown(pilot, *shown)
        await pilot.pause(0.5)
        (HERE / f"{name}.svg").write_text(app.export_screenshot(title=f"vlatui · {name}", simplify=True))


def configure(run: RunDirectory, **chosen: object) -> None:
    """Lets a run have been started with other values, given by hand."""
    spec = run.read_spec()
    by_hand = {field: ConfigValue(value=value, origin="command line") for field, value in chosen.items()}
    files = {
        "image_aug": ConfigValue(value=True, origin="default"),
        "warmup_steps": ConfigValue(value=0, origin="default"),
    }
    changed = msgspec.structs.replace(spec, config={**spec.config, **files, **by_hand})
    run.spec.write_bytes(msgspec.json.encode(changed))


def made_home(folder: Path) -> tuple[Home, dict[str, RunDirectory]]:
    home = Home(folder)
    runs = many_states(home)
    write_log(runs["training"])
    configure(runs["training"], seed=7)
    configure(runs["succeeded"], learning_rate=2e-4, lora_rank=16, warmup_steps=200, seed=7)
    configure(runs["failed"], learning_rate=2e-4, batch_size=16, image_aug=False)
    record = runs["training"].read_record()
    leased = tuple(LeasedGpu(uuid=f"GPU-{index}", index=index) for index in range(2))
    runs["training"].write_record(msgspec.structs.replace(record, gpus=leased))
    return home, runs


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    wanted = sys.argv[1:] or list(PICTURES)
    for name in wanted:
        run, keys, shown = PICTURES[name]
        with tempfile.TemporaryDirectory() as folder:
            home, runs = made_home(Path(folder) / "home")
            asyncio.run(draw(home, name, runs[run].run_id, keys, shown))
        print(HERE / f"{name}.svg")


if __name__ == "__main__":
    main()
