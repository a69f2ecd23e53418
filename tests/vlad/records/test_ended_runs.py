"""Which runs ended last, and how many parts of each: parts push nothing out, and nothing is looked at twice."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from fake_runs import FakeRun
from vlad.records import ended_runs
from vlad.records.ended_runs import Ended, EndedReader
from vlad.records.parts import whole_of
from vlad.records.rundir import Home

WHOLE, OLDER = "20261101-0900-spatial-0000", "20261030-0900-older-0000"


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("vlad") / "home").prepare()


def part(number: int) -> str:
    return f"20261101-{10 + number // 60:02d}{number % 60:02d}-eval-step{number}-{number:04x}"


def end(home: Home, run_ids: Iterable[str], part_of: str | None = None) -> None:
    for run_id in run_ids:
        FakeRun(home, run_id, age_s=1000, part_of=part_of).succeed()


def ended(home: Home, most: int = 200) -> Ended:
    return EndedReader(home, most).read(home.live_ids())


@pytest.mark.parametrize("has_list", [True, False], ids=["with the list of ends", "without it"])
def test_parts_are_counted_with_their_run_and_push_out_nothing(home: Home, has_list: bool) -> None:
    end(home, [OLDER, WHOLE])
    end(home, map(part, range(30)), WHOLE)
    if not has_list:
        home.ended.unlink()
    found = ended(home, most=2)
    assert (found.ids, found.has_older) == ((WHOLE, OLDER), False)
    assert sorted(found.parts[WHOLE]) == [part(number) for number in range(30)]
    assert found.newest_parts(2) == [part(29), part(28)]


def test_parts_of_a_live_run_are_counted_although_many_runs_ended_after_them(home: Home) -> None:
    FakeRun(home, WHOLE, age_s=1000)
    end(home, [part(0)], WHOLE)
    end(home, [f"2026110{day}-0900-other-000{day}" for day in range(2, 8)])
    end(home, [OLDER])
    found = ended(home, most=3)
    assert (found.parts, found.has_older) == ({WHOLE: (part(0),)}, True)
    assert WHOLE not in found.ids


def test_a_part_whose_run_is_gone_stands_for_itself(home: Home) -> None:
    end(home, [part(0)], WHOLE)
    assert ended(home) == Ended((part(0),))


def test_a_live_part_is_none_that_ended(home: Home) -> None:
    end(home, [WHOLE])
    FakeRun(home, part(0), age_s=10, part_of=WHOLE)
    assert ended(home) == Ended((WHOLE,))


def test_a_run_that_ended_twice_and_lines_of_nobody_count_once_and_not_at_all(home: Home) -> None:
    end(home, [WHOLE])
    home.ended.write_text(f"{WHOLE}\n20261031-0900-gone-0000\n../../etc\n{WHOLE}\n")
    assert ended(home, most=1) == Ended((WHOLE,))


def test_specifications_are_read_once_and_the_list_only_when_something_ended(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(home, [WHOLE])
    end(home, [part(0)], WHOLE)
    reader = EndedReader(home, 10)
    first = reader.read(home.live_ids())
    end(home, [part(1)], WHOLE)
    asked: list[str] = []

    def noted(spec: Path) -> str | None:
        asked.append(spec.parent.name)
        return whole_of(spec)

    monkeypatch.setattr(ended_runs, "whole_of", noted)
    second = reader.read(home.live_ids())
    assert asked == [part(1)]
    assert len(second.parts[WHOLE]) == len(first.parts[WHOLE]) + 1
    assert reader.read(home.live_ids()) is second


def test_the_list_of_ends_is_followed_only_so_far(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_runs, "FURTHER_LINES", 5)
    FakeRun(home, WHOLE, age_s=1000)
    end(home, [part(0)], WHOLE)
    end(home, [f"202611{day:02d}-0900-other-0000" for day in range(2, 20)])
    assert ended(home, most=3).parts == {}
    assert len(ended(home, most=15).parts[WHOLE]) == 1


def test_a_home_that_does_not_exist_has_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert ended(Home(tmp_path_factory.mktemp("vlad") / "none")) == Ended()
