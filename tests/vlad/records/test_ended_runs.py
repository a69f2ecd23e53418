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


def specifications_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose specification is read from now on."""
    asked: list[str] = []

    def noted(spec: Path) -> str | None:
        asked.append(spec.parent.name)
        return whole_of(spec)

    monkeypatch.setattr(ended_runs, "whole_of", noted)
    return asked


def test_all_parts_are_counted_from_the_list_alone_however_many_runs_ended_since(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeRun(home, WHOLE, age_s=1000)
    end(home, [OLDER])
    end(home, [part(0)], OLDER)
    end(home, map(part, range(1, 4)), WHOLE)
    end(home, [f"20261101-1000-other-{number:04x}" for number in range(20)])
    end(home, [part(4)], WHOLE)
    asked = specifications_read(monkeypatch)
    found = ended(home, most=3)
    assert (len(found.ids), found.has_older, asked) == (3, True, [])
    assert sorted(found.parts[WHOLE]) == [part(number) for number in range(1, 5)]
    assert found.parts[OLDER] == (part(0),)


def test_where_a_line_does_not_tell_the_specification_is_read_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    end(home, [WHOLE])
    end(home, [part(0), part(1)], WHOLE)
    home.ended.write_text(f"{WHOLE}\n{part(0)}\n{part(1)}\n")  # as earlier versions did
    asked = specifications_read(monkeypatch)
    reader = EndedReader(home, 10)
    first = reader.read(home.live_ids())
    assert sorted(first.parts[WHOLE]) == [part(0), part(1)]
    end(home, [part(2)], WHOLE)
    second = reader.read(home.live_ids())
    assert sorted(asked) == [WHOLE, part(0), part(1)]
    assert len(second.parts[WHOLE]) == 3
    assert reader.read(home.live_ids()) is second


def test_a_home_that_does_not_exist_has_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert ended(Home(tmp_path_factory.mktemp("vlad") / "none")) == Ended()
