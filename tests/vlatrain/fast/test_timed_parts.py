"""A benchmark of several parts in so much time: what it leaves out is said, and what it knows is on the disk."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from timed_parts import SPARE_S, Note, Part, Results, at_most, measure


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results" / "found.json"


def read(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def never(note: Note, left_s: float) -> None:
    """Must not be begun."""
    raise AssertionError


def broken(note: Note, left_s: float) -> None:
    """Fails behind its first row."""
    note({"row": 1})
    raise RuntimeError("no such kernel\nmore of it")


def too_long(note: Note, left_s: float) -> None:
    """Takes all of its time, after its first row."""
    armed_s, _ = signal.getitimer(signal.ITIMER_REAL)
    note({"left_s": left_s, "armed_s": armed_s})
    signal.raise_signal(signal.SIGALRM)


def test_a_part_that_does_not_fit_is_left_out_and_said(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure("long", Part(100, never), Results(out, {}), time.monotonic() + 50, takes_any=False)
    assert read(out)["not_measured"]["long"].startswith("left out: takes about 100 s")
    assert "[long: left out" in capsys.readouterr().out


def test_a_part_that_was_asked_for_begins_in_any_case_and_is_cut_off(out: Path) -> None:
    measure("long", Part(1000, too_long), Results(out, {}), time.monotonic() + SPARE_S + 500, takes_any=True)
    found = read(out)
    [row] = found["parts"]["long"]
    assert 0 < row["armed_s"] <= row["left_s"] <= 500, "the row before the cut is kept"
    assert found["not_measured"]["long"].startswith("cut off after")


def test_a_part_that_fails_is_told_and_the_next_one_measured(out: Path) -> None:
    results = Results(out, {"gpu": "a card"})
    until = time.monotonic() + 1000
    measure("bad", Part(1, broken), results, until, takes_any=False)
    measure("good", Part(1, lambda note, left_s: note({"row": 2})), results, until, takes_any=False)
    found = read(out)
    assert found["parts"] == {"bad": [{"row": 1}], "good": [{"row": 2}]}
    assert "RuntimeError: ['no such kernel']" in found["not_measured"]["bad"]
    assert found["machine"] == {"gpu": "a card"}


def test_behind_a_part_no_alarm_is_left() -> None:
    with at_most(1000):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_further_call_adds_its_parts_to_the_file_of_the_same_machine(out: Path) -> None:
    until = time.monotonic() + 1000
    first = Results(out, {"gpu": "a card", "at": "noon"})
    measure("one", Part(1, lambda note, left_s: note({"row": 1})), first, until, takes_any=False)
    measure("bad", Part(1, broken), first, until, takes_any=False)
    again = Results(out, {"gpu": "a card", "at": "later"})
    measure("one", Part(2000, never), again, until, takes_any=False)
    measure("bad", Part(1, lambda note, left_s: note({"row": 2})), again, until, takes_any=False)
    assert read(out)["parts"] == {"one": [{"row": 1}], "bad": [{"row": 2}]}
    assert read(out)["not_measured"] == {}, "what is known already is not missing"
    assert read(out)["machine"]["at"] == "later"


def test_a_file_of_another_machine_is_written_anew(out: Path) -> None:
    Results(out, {"gpu": "a card", "at": "noon"}).note("one", {"row": 1})
    Results(out, {"gpu": "another", "at": "noon"}).note("two", {"row": 2})
    assert read(out)["parts"] == {"two": [{"row": 2}]}
