"""Runs that work for another run: whose they are, where they are listed, and what is never meant by `last`."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import Story
from supervised_runs import Lab
from vlad.records.parts import whole_of, with_parts_below
from vlad.records.run import RunRecord, State

TABLE = {
    "parts stand below their run": (["c b", "b", "a b", "d"], ["b", ">c b", ">a b", "d"]),
    "a part of an unlisted run keeps its place": (["a x", "b"], ["a x", "b"]),
    "parts of parts follow them": (["c b", "b a", "d a", "a"], ["a", ">b a", ">c b", ">d a"]),
    "an ended part of a live run stays among the ended": (["a b", "b", "!c b"], ["b", ">a b", "!c b"]),
}


@dataclass(frozen=True)
class Line:
    """A run in a list; `told` is its name and that of the run that it is a part of, after a ! where it has ended."""

    told: str

    @property
    def is_live(self) -> bool:
        return not self.told.startswith("!")

    @property
    def record(self) -> RunRecord:
        own, _, whole = self.told.removeprefix("!").partition(" ")
        return RunRecord(
            run_id=own, name=own, state=State.RUNNING, seq=1, created_at=0, updated_at=0, host="h",
            part_of=whole or None,
        )  # fmt: skip


@pytest.mark.parametrize(("listed", "expected"), TABLE.values(), ids=TABLE.keys())
def test_the_order_of_a_list_with_parts(listed: list[str], expected: list[str]) -> None:
    found = with_parts_below([Line(told) for told in listed])
    assert [f"{'>' * is_below}{line.told}" for line, is_below in found] == expected


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}"])
def test_a_specification_that_tells_nothing_is_of_no_part(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "spec.json").write_bytes(content)
    assert whole_of(tmp_path / "spec.json") is None


def test_a_run_knows_what_it_is_a_part_of(lab: Lab) -> None:
    whole = Story(lab, "spatial").run
    part = Story(lab, "eval-step20", part_of=whole.run_id).run
    assert whole_of(part.spec) == part.read_record().part_of == whole.run_id
    assert (part.read_record().full_name, whole.read_record().full_name) == ("eval-step20 of spatial", "spatial")


@pytest.mark.parametrize("younger_s", [0, 300], ids=["made in the same minute", "made later"])
def test_the_last_run_is_no_part_of_another(lab: Lab, younger_s: int) -> None:
    at = 1_795_340_000.0
    Story(lab, "older", at - 600)
    whole = Story(lab, "spatial", at).run
    part = Story(lab, "eval-step20", at + younger_s, part_of=whole.run_id).run
    assert lab.home.find("last") == whole
    assert lab.home.find("eval-step20") == part


def test_where_there_are_only_parts_the_newest_is_the_last(lab: Lab) -> None:
    """Their runs were removed."""
    at, gone = 1_795_340_000.0, "20261122-0931-spatial-7f3a"
    newest = [Story(lab, "eval", at + seconds, part_of=gone).run for seconds in (0, 300)][-1]
    assert lab.home.find("last") == newest


@pytest.mark.parametrize("is_listed", [True, False], ids=["with the list of ends", "without it"])
def test_of_the_runs_that_ended_last_those_that_are_parts_can_be_left_out(lab: Lab, is_listed: bool) -> None:
    whole = Story(lab, "spatial", 1_795_340_000.0).attempt().moved(State.SUCCEEDED).run
    for number in range(3):
        Story(lab, f"eval-step{number}", part_of=whole.run_id).attempt().moved(State.SUCCEEDED)
    if not is_listed:
        lab.home.ended.unlink()
    assert lab.home.newest_ended_ids(1, with_parts=False) == [whole.run_id]
    assert whole.run_id not in lab.home.newest_ended_ids(3)
