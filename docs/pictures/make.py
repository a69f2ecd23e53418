"""Draws the pictures of docs/dashboard.md from the tests' home of runs: one SVG a screen. Run by `make pictures`."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))

from fake_runs import NOW, many_states  # noqa: E402 - lies beside the tests
from screen_text import until_shown  # noqa: E402
from vlad.records.rundir import Home  # noqa: E402
from vlatui.app import VlatuiApp  # noqa: E402
from vlatui.widgets.run_table import RunTable  # noqa: E402

SIZE = (120, 34)
PICTURES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "log": ("training", (), ("315 lines",)),
    "evaluations": ("training", ("2",), ("best 84%",)),
    "metrics": ("training", ("3",), ("smoothing 0.6",)),
    "why": ("failed", (), ("CUDA out of memory on rank 0", "4 lines")),
    "compare": ("training", ("space", "G", "k", "space", "x"), ("Compare", "best success")),
}
"""Of each picture: the run that is selected, the keys pressed, and what the screen shows when it is done."""


async def draw(home: Home, name: str, run_id: str, keys: tuple[str, ...], shown: tuple[str, ...]) -> None:
    app = VlatuiApp(
        home, clock=lambda: NOW, home_name="~/.local/state/vlad", adopts=False, looks_at_host=False,
        settings_path=home.path / "settings.json",
    )  # fmt: skip
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "3 live", "step 315 loss", "Evaluations 7")
        app.screen.query_one(RunTable).move_cursor_to(run_id)
        await pilot.pause()
        await pilot.press(*keys)
        await until_shown(pilot, *shown)
        await pilot.pause(0.3)
        (HERE / f"{name}.svg").write_text(app.export_screenshot(title=f"vlatui · {name}", simplify=True))


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    for name, (run, keys, shown) in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Home(Path(folder) / "home")
            runs = many_states(home)
            asyncio.run(draw(home, name, runs[run].run_id, keys, shown))
        print(HERE / f"{name}.svg")


if __name__ == "__main__":
    main()
