"""The process tree of a real run: who is who, beyond doubt."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_runs import NOW
from patience import until
from screen_text import until_shown
from supervised_runs import Lab
from vlad.host.run_processes import ProcessReader, Role, RunProcess
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind
from vlatui.app import VlatuiApp
from vlatui.telling.tables import process_rows, tree_branches


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    laboratory = Lab(tmp_path)
    yield laboratory
    laboratory.close()


def test_keeper_supervisor_agent_and_ranks_are_told_apart(lab: Lab) -> None:
    run = lab.start(*lab.counting("--steps", "100000"), kind=Kind.TRAIN)
    run.until_step(2)
    reader = ProcessReader()

    def told() -> tuple[RunProcess, ...]:
        return reader.read(run.record)

    until(lambda: {process.rank for process in told()} >= {0, 1}, "both ranks")
    processes = told()
    roles = [process.role for process in processes]
    assert roles[:3] == [Role.KEEPER, Role.SUPERVISOR, Role.AGENT]
    assert [process.depth for process in processes[:3]] == [0, 1, 2]
    ranks = [process for process in processes if process.role is Role.RANK]
    assert {process.depth for process in ranks} == {3}
    assert all(process.tty is None and process.memory_bytes and process.cpu is not None for process in processes)


def test_a_run_whose_processes_are_gone_has_none(runs: dict[str, RunDirectory]) -> None:
    assert ProcessReader().read(runs["training"].read_record()) == ()


async def test_the_tab_shows_the_tree(lab: Lab, dashboard: Callable[..., VlatuiApp]) -> None:
    run = lab.start(*lab.counting("--steps", "100000"), kind=Kind.TRAIN)
    run.until_step(2)
    app = dashboard()
    async with app.run_test(size=(140, 30)) as pilot:
        await until_shown(pilot, "1 live")
        await pilot.press("4")
        await until_shown(pilot, "keeper", "└ supervisor", "  └ agent", "    ├ rank 0", "    └ rank 1")


def test_a_zombie_and_a_terminal_are_pointed_out() -> None:
    zombie = RunProcess(pid=1, role=Role.OTHER, name="python", depth=2, state="Z", started_at=NOW - 60, tty="pts/4")
    (row,) = process_rows([zombie], NOW)
    text = {key: "".join(span.text for span in cell) for key, cell in row.cells.items()}
    assert (text["who"], text["state"], text["tty"], text["age"], text["cpu"]) == (
        "  └ python",
        "zombie",
        "pts/4",
        "1m",
        "-",
    )


def test_the_branches_of_a_tree_join_what_belongs_together() -> None:
    assert tree_branches([0, 1, 2, 3, 3, 2, 1, 0]) == ["", "├ ", "│ ├ ", "│ │ ├ ", "│ │ └ ", "│ └ ", "└ ", ""]
    assert tree_branches([0, 1, 2, 2]) == ["", "└ ", "  ├ ", "  └ "]
    assert tree_branches([2]) == ["  └ "]
    assert tree_branches([]) == []
