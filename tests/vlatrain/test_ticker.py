"""Progress of long work, told to a terminal or a log."""

import io

import pytest
from vlatrain.ticker import Ticker, gigabytes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_ticker_rewrites_its_line_on_a_terminal_and_spares_a_log() -> None:
    times = iter(number * 0.06 for number in range(1000))
    terminal, log = Terminal(), io.StringIO()
    for stream, expected in ((terminal, "\r\x1b[K1/3\r\x1b[K3/3\n"), (log, "1/3\n3/3\n")):
        tell = Ticker(stream, clock=lambda: next(times))
        for number in (1, 2, 3):
            tell(f"{number}/3")
        tell.end()
        assert stream.getvalue() == expected


def test_a_log_has_its_last_line_once() -> None:
    log = io.StringIO()
    with Ticker(log) as tell:
        tell("1/1")
    tell.end()
    assert log.getvalue() == "1/1\n"


def test_what_follows_a_failure_stands_on_a_line_of_its_own() -> None:
    terminal = Terminal()

    def fail() -> None:
        with Ticker(terminal) as tell:
            tell("1/3")
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert terminal.getvalue().endswith("1/3\n")


@pytest.mark.parametrize(
    ("done", "total", "told"),
    [
        (3_200_000_000, 15_082_474_368, "loading 3.2 of 15.1 GB (21 %)"),
        (500_000, 2_000_000, "loading 0.5 of 2.0 MB (25 %)"),
        (0, 0, "loading 0.0 of 0.0 MB"),
    ],
)
def test_amounts_are_told_in_a_unit_that_fits(done: int, total: int, told: str) -> None:
    assert gigabytes(done, total, "loading") == told
