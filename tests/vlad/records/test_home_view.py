"""Reading a home: everything shown, nothing read twice, nothing broken by what is broken."""

from pathlib import Path

import pytest
from fake_runs import FakeRun, evaluating_run, many_states, training_run
from vlad.records import home_view as snapshot
from vlad.records.home_view import NO_PARTS, HomeReader, HomeView, PartsWanted
from vlad.records.progress import Phase
from vlad.records.run import Moved, State
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import Kind


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def runs(home: Home) -> dict[str, RunDirectory]:
    """A home with a run in every interesting state, by short name."""
    return many_states(home)


def test_live_runs_come_first_and_the_newest_of_each_group_before_the_others(
    home: Home, runs: dict[str, RunDirectory]
) -> None:
    view = HomeReader(home).read()
    order = ("training", "evaluating", "restarting", "failed", "succeeded", "stopped")
    assert [run.run_id for run in view.runs] == [runs[name].run_id for name in order]
    assert [run.is_live for run in view.runs] == [True] * 3 + [False] * 3


def test_numbers_come_from_the_progress_file(home: Home, runs: dict[str, RunDirectory]) -> None:
    run = HomeReader(home).read().find(runs["training"].run_id)
    assert run is not None
    assert (run.summary.step, run.summary.max_steps, run.summary.best) == (315, 500, 84.0)


def test_what_did_not_change_is_not_read_again(
    home: Home, runs: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = HomeReader(home)
    first = reader.read()
    monkeypatch.setattr(snapshot, "read_summary", lambda *_: pytest.fail("read again"))
    second = reader.read()
    assert second == first
    assert all(one is two for one, two in zip(first.runs, second.runs, strict=True))


def test_a_run_that_changed_is_seen(home: Home) -> None:
    home.prepare()
    run = training_run(home)
    reader = HomeReader(home)
    assert reader.read().runs[0].record.state is State.RUNNING
    run.steps(316, 320)
    run.event(Moved, state=State.STOPPING, why="asked for")
    view = reader.read().runs[0]
    assert (view.record.state, view.summary.step) == (State.STOPPING, 320)


def test_a_restarted_run_does_not_do_what_it_did_when_it_died(home: Home) -> None:
    home.prepare()
    run = evaluating_run(home)
    reader = HomeReader(home)
    assert reader.read().runs[0].summary.phase is Phase.EVALUATING
    run.attempt(2)
    again = reader.read().runs[0].summary
    assert (again.phase, again.phase_done, again.step) == (None, None, 3000)


def test_of_a_live_run_it_is_told_whose_program_it_is(home: Home, runs: dict[str, RunDirectory]) -> None:
    runs["evaluating"].spec.unlink()
    view = HomeReader(home).read()
    kinds = {name: found.kind for name, run in runs.items() if (found := view.find(run.run_id))}
    assert kinds == {name: Kind.TRAIN if name in ("training", "restarting") else None for name in runs}


def test_an_unreadable_run_is_listed_with_what_is_wrong(home: Home, runs: dict[str, RunDirectory]) -> None:
    runs["failed"].state.write_bytes(b"\0" * 100)
    runs["failed"].events.write_bytes(b"")
    view = HomeReader(home).read()
    assert [run_id for run_id, _ in view.unreadable] == [runs["failed"].run_id]
    assert "neither a readable state.json nor a journal" in view.unreadable[0][1]
    assert len(view.runs) == 5


def test_a_truncated_state_is_read_from_the_journal(home: Home, runs: dict[str, RunDirectory]) -> None:
    before = HomeReader(home).read().find(runs["failed"].run_id)
    runs["failed"].state.write_bytes(runs["failed"].state.read_bytes()[:50])
    assert HomeReader(home).read().find(runs["failed"].run_id) == before


def test_a_folder_that_is_just_being_made_is_left_out(home: Home, runs: dict[str, RunDirectory]) -> None:
    home.run("20261122-1000-new-0001").path.mkdir()
    view = HomeReader(home).read()
    assert (len(view.runs), view.unreadable) == (6, ())


def test_of_a_long_history_only_the_newest_are_read_unless_one_is_asked_for(home: Home) -> None:
    home.prepare()
    ids = [f"2026110{day}-0900-old-000{day}" for day in range(1, 8)]
    for run_id in ids:
        FakeRun(home, run_id, age_s=1000).end()
    view = HomeReader(home, most_ended=3, always=ids[0]).read()
    assert {run.run_id for run in view.runs} == {ids[0], *ids[-3:]}
    assert view.has_older


WHOLE, OTHER = "20261102-0900-spatial-0000", "20261101-0900-other-0000"
PARTS = [f"20261102-100{minute}-eval-step{minute}-0000" for minute in range(3)]


@pytest.mark.parametrize(
    ("wanted", "listed"),
    [
        (NO_PARTS, [WHOLE, OTHER]),
        (PartsWanted(of=frozenset({WHOLE})), [*reversed(PARTS), WHOLE, OTHER]),
        (PartsWanted(newest=True), [*PARTS[:0:-1], WHOLE, OTHER]),
        (PartsWanted(also=PARTS[0]), [PARTS[0], WHOLE, OTHER]),
    ],
    ids=["none", "those of a run", "the newest of any", "one"],
)
def test_ended_parts_are_counted_and_listed_only_as_wanted(home: Home, wanted: PartsWanted, listed: list[str]) -> None:
    home.prepare()
    for run_id in (OTHER, WHOLE):
        FakeRun(home, run_id, age_s=1000).succeed()
    for run_id in PARTS:
        FakeRun(home, run_id, age_s=1000, part_of=WHOLE).succeed()
    view = HomeReader(home, most_ended=2).read(wanted=wanted)
    assert [run.run_id for run in view.runs] == listed
    assert {run.run_id: run.ended_parts for run in view.runs if run.ended_parts} == {WHOLE: 3}
    assert (view.in_state(State.SUCCEEDED), view.has_older) == (2, False)


def test_parts_of_one_minute_are_listed_by_when_they_were_made(home: Home) -> None:
    home.prepare()
    FakeRun(home, WHOLE, age_s=1000).succeed()
    made = ["20261102-1000-eval-step80-0000", "20261102-1000-eval-step100-0000"]
    for ago, run_id in zip((20, 10), made, strict=True):
        FakeRun(home, run_id, age_s=ago, part_of=WHOLE).succeed()
    view = HomeReader(home).read(wanted=PartsWanted(of=frozenset({WHOLE})))
    assert [run.run_id for run in view.runs] == [*reversed(made), WHOLE]


def test_a_home_that_does_not_exist_is_empty(home: Home) -> None:
    assert HomeReader(home).read() == HomeView(str(home.path))
