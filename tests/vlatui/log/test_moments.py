"""Times that people ask for, and times that lines of a log carry."""

from datetime import datetime

import pytest
from vlatui.log.moments import moment_of, stamp_in, step_in

NOW = datetime(2026, 11, 22, 14, 30, 5).timestamp()


def local(*parts: int) -> float:
    return datetime(*parts).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wish", "moment"),
    [
        ("-10m", NOW - 600),
        ("-90s", NOW - 90),
        ("-1h30m", NOW - 5400),
        (" - 1.5 h ", NOW - 5400),
        ("-2d", NOW - 172_800),
        ("14:30", local(2026, 11, 22, 14, 30)),
        ("14:30:05", NOW),
        ("9:05", local(2026, 11, 22, 9, 5)),
        ("14:31", local(2026, 11, 21, 14, 31)),
        ("11-21 08:00", local(2026, 11, 21, 8)),
        ("12-24 08:00", local(2025, 12, 24, 8)),
        ("2026-11-20 23:59:59", local(2026, 11, 20, 23, 59, 59)),
        ("2026-11-20T23:59", local(2026, 11, 20, 23, 59)),
        ("2027-01-01 00:00", local(2027, 1, 1)),
    ],
)
def test_a_wish_is_understood(wish: str, moment: float) -> None:
    assert moment_of(wish, NOW) == moment


@pytest.mark.parametrize(
    "wish", ["", "10m", "-", "-10", "-10y", "25:00", "12:61", "13-40 12:00", "noon", "-m", "02-30 1:00"]
)
def test_what_is_no_time_is_none(wish: str) -> None:
    assert moment_of(wish, NOW) is None


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-11-22 14:30:05,250 INFO step 3", NOW + 0.25),
        ("[2026-11-22T14:30:05] rank 0", NOW),
        ("INFO:2026/11/22 14:30:05 started", NOW),
        ("11/22/2026 14:30:05 - INFO - __main__", NOW),
        ("2026-11-22T14:30:05.5Z up", NOW + 0.5),
        ("2026-11-22T15:30:05+01:00 up", NOW),
        ("2026-11-22 14:30:05.123456789 kernel", NOW + 0.123456),
        ("I1122 14:30:05.000000 4242 main.cc:7] hello", NOW),
    ],
)
def test_a_line_tells_its_time(line: str, moment: float) -> None:
    assert stamp_in(line, 2026) == pytest.approx(moment, abs=1e-6)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "step 4 loss 0.2",
        "took 00:10<00:20",
        "12026-11-22 14:30:05",
        "2026-13-22 14:30:05",
        " " * 500 + "2026-11-22 14:30:05",
    ],
)
def test_a_line_without_a_time_has_none(line: str) -> None:
    assert stamp_in(line) is None


@pytest.mark.parametrize(
    ("line", "step"),
    [("INFO step 315 loss 1", 315), ("{'Step': 20}", 20), ("step=7", 7), ("steps 3", None), ("", None)],
)
def test_a_line_tells_its_step(line: str, step: float | None) -> None:
    assert step_in(line) == step
