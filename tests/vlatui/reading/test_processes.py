"""The process tree of a real run: who is who, beyond doubt."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_runs import NOW
from patience import until
from screen_text import until_shown
from supervised_runs import Lab, Run
from vlad.host.processes import all_processes
from vlad.host.run_processes import ProcessReader, Role, RunProcess
from vlad.records.run import State
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


STARTS_ANOTHER = """
import subprocess, sys, time
vlad = [sys.executable, "-c", "from vlad.cli import main; main()"]
subprocess.run([*vlad, "start", "--name", "inner", "--", "sleep", "600"])
time.sleep(600)
"""


def test_the_guards_of_a_run_that_a_run_has_started_are_in_their_own_tree_only(lab: Lab) -> None:
    outer = lab.start(sys.executable, "-c", STARTS_ANOTHER, environment={"VLAD_HOME": str(lab.home.path)})
    inner = until(
        lambda: next((Run(lab.home.run(one)) for one in lab.home.live_ids() if "-inner-" in one), None), outer
    )
    lab.runs.append(inner)
    keeper, _ = inner.guard()
    inner.until_state(State.RUNNING)
    guards = {one.pid for one in outer.guard()}
    assert all_processes()[keeper.pid].parent in guards, "an orphan goes to the next guard above it"
    trees = [{process.pid for process in ProcessReader().read(run.record)} for run in (outer, inner)]
    assert trees[0].isdisjoint(trees[1])
    assert keeper.pid in trees[1]


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
