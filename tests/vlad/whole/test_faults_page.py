"""What `make faults` tells: the table, and the page that is made of it."""

import json
from typing import Any

from faults import BEGIN, END, PAGE, RESULTS, page, report, table


def result(victim: str, when: str, *problems: str, healed_s: float | None = 0.5) -> dict[str, Any]:
    return {"victim": victim, "when": when, "point": "p", "healed_s": healed_s, "problems": list(problems)}


TOLD = {"faults": [result("rank", "saving"), result("rank", "saving", "a step is lost"), result("keeper", "stopping")]}


def test_a_cell_is_healed_of_total_and_a_dash_where_nobody_was_killed() -> None:
    rows = {row[0]: row for row in table(TOLD["faults"])}
    columns = rows["killed"]
    assert rows["rank"][columns.index("saving")] == "1/2"
    assert rows["rank"][columns.index("stopping")] == "-"
    assert rows["all"][-1] == "2/3"


def test_every_loss_is_told_in_words() -> None:
    assert "1 with a loss" in report(TOLD)
    assert "LOST rank saving p: ['a step is lost']" in report(TOLD)


def test_a_page_keeps_what_stands_around_its_table() -> None:
    made = page(TOLD, f"before {BEGIN} old {END} after")
    assert made.startswith("before ")
    assert made.endswith(" after")
    assert "old" not in made
    assert page(TOLD, made) == made


def test_the_page_of_the_documentation_is_that_of_the_results() -> None:
    told = json.loads(RESULTS.read_text())
    assert page(told, PAGE.read_text()) == PAGE.read_text()
    assert len(told["faults"]) >= 300
    assert all(one["problems"] == [] for one in told["faults"])
