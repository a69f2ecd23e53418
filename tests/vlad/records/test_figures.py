"""Numbers and times as people read them."""

import pytest
from vlad.records import figures

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (None, "-", "-"),
        (-3, "0s", "0s"),
        (59.4, "59s", "59s"),
        (3 * MINUTE + 20, "3m", "3m 20s"),
        (2 * HOUR + 5 * MINUTE, "2h", "2h 05m"),
        (3 * DAY + 4 * HOUR, "3d", "3d 4h"),
    ],
)
def test_times_have_the_units_that_matter(seconds: float | None, short: str, long: str) -> None:
    assert (figures.age(seconds), figures.duration(seconds)) == (short, long)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0, "0"),
        (0.25, "0.2500"),
        (2.5, "2.500"),
        (12.345, "12.35"),
        (1234.56, "1234.6"),
        (2e-4, "2e-4"),
        (1.25e8, "1.25e8"),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_four_digits(value: float | None, shown: str) -> None:
    assert figures.number(value) == shown


def test_rates_counts_and_sizes() -> None:
    assert [figures.percent(value) for value in (None, 84.0, 12.5, 66.6667)] == ["-", "84%", "12.5%", "66.7%"]
    assert [figures.count(value) for value in (None, 12345)] == ["-", "12,345"]
    assert [figures.size(value) for value in (None, 812, 1536, 23 * 2**30)] == ["-", "812 B", "1.5 KiB", "23.0 GiB"]
    assert [figures.plural(value, "step") for value in (1, 2000)] == ["1 step", "2,000 steps"]
    assert [figures.terminal(tty) for tty in (None, "/dev/pts/3")] == ["detached", "pts/3"]
