"""What is said of an evaluation that goes on, and where there is none yet."""

from dataclasses import replace

import msgspec
import pytest
from fake_runs import NOW
from vlad.records.home_view import HomeReader, RunView
from vlad.records.run import State
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import ConfigValue, Kind, RunSpec
from vlatui.reading.under_way import UnderWay
from vlatui.telling.under_way import nothing_yet, under_way_line

GOING = UnderWay(1, 3000, NOW - 60, 1, 4)


@pytest.mark.parametrize(
    ("under_way", "told"),
    [
        (GOING, "step 3,000 is evaluated  ━━━━──────────── 1 of 4 episodes  1m 00s  ~3m 00s left"),
        (replace(GOING, done=0), "step 3,000 is evaluated  ──────────────── 0 of 4 episodes  1m 00s"),
        (UnderWay(1, 3000, NOW - 5), "step 3,000 is evaluated  5s"),
    ],
    ids=["some", "none", "elsewhere"],
)
def test_the_line_says_of_which_step_how_far_and_since_when(under_way: UnderWay, told: str) -> None:
    assert "".join(span.text for span in under_way_line(under_way, NOW)) == told


@pytest.fixture
def view(home: Home, runs: dict[str, RunDirectory]) -> RunView:
    """Of a run at step 315 that evaluates every 50."""
    found = HomeReader(home).read().find(runs["training"].run_id)
    assert found is not None
    return found


def switched(is_on: bool) -> RunSpec:
    return RunSpec(
        run_id="r", name="n", kind=Kind.TRAIN, argv=("a",), cwd="/", created_at=NOW, created_by="ada", host="h",
        config={"enable_periodic_eval": ConfigValue(value=is_on, origin="default")},
    )  # fmt: skip


def test_where_there_is_none_yet_it_says_when_the_first_one_comes(view: RunView) -> None:
    assert nothing_yet(view, switched(True), None)[1] == "the first one comes at step 350 ~14s"
    assert nothing_yet(view, None, GOING)[1] == "the first one goes on"
    assert nothing_yet(view, switched(False), None)[1] == "this run makes none: enable_periodic_eval is false"


def test_of_a_run_that_is_evaluated_beside_it_says_so_whether_it_goes_on_or_not(view: RunView) -> None:
    beside = replace(view, summary=msgspec.structs.replace(view.summary, evaluates_beside=True))
    ended = replace(beside, record=msgspec.structs.replace(view.record, state=State.STOPPED))
    told = {nothing_yet(run, switched(True), None)[1] for run in (beside, ended)}
    assert told == {"its evaluations are runs of their own, and appear here in the order of their steps"}


def test_without_a_plan_it_promises_nothing(home: Home, runs: dict[str, RunDirectory], view: RunView) -> None:
    none = replace(view, summary=msgspec.structs.replace(view.summary, eval_every_steps=None))
    promised = "each one appears here with its interval and its tasks"
    assert nothing_yet(none, None, None)[1] == nothing_yet(None, None, None)[1] == promised
    ended = HomeReader(home).read().find(runs["failed"].run_id)
    assert nothing_yet(ended, None, None)[1] == "the run ended before its first one"
