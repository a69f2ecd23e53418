"""Tables and colours for terminals."""

import io

import pytest
from vlad.commands.text import Column, Ink, Tone, pairs, table, wants_colour

PLAIN, COLOURED = Ink(False), Ink(True)


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    columns = (Column(title="RUN"), Column(title="STEP", right=True), Column(title="END"))
    assert table(columns, [["a", "1", "x"], ["long", "12345", "y"]], PLAIN).splitlines() == [
        "RUN    STEP  END",
        "a         1  x",
        "long  12345  y",
    ]


def test_colours_take_no_room() -> None:
    columns = (Column(title="STATE"), Column(title="STEP"))
    rows = [[COLOURED("RUNNING", Tone.BUSY), "1"], ["X", "2"]]
    first, second = table(columns, rows, COLOURED).splitlines()[1:]
    assert first == "\x1b[36mRUNNING\x1b[0m  1"
    assert second == "X        2"


def test_a_narrow_terminal_loses_the_most_expendable_columns_first() -> None:
    columns = (Column(title="RUN"), Column(title="LOSS", expendable=2), Column(title="AGE", expendable=1))
    rows = [["12345678", "0.1234", "10m"]]
    assert table(columns, rows, PLAIN, 21).splitlines()[1] == "12345678  0.1234  10m"
    assert table(columns, rows, PLAIN, 20).splitlines()[1] == "12345678  10m"
    assert table(columns, rows, PLAIN, 3).splitlines()[1] == "12345678"


def test_further_lines_of_a_value_stand_below_it() -> None:
    assert pairs([("why", "one\ntwo"), ("state", "x")], PLAIN) == "why    one\n       two\nstate  x"


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        pytest.param(FakeTerminal(), {"TERM": "xterm"}, True, id="terminal"),
        pytest.param(FakeTerminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(FakeTerminal(), {"TERM": "xterm", "NO_COLOR": ""}, True, id="empty NO_COLOR means nothing"),
        pytest.param(FakeTerminal(), {"TERM": "dumb"}, False, id="dumb terminal"),
        pytest.param(io.StringIO(), {"TERM": "xterm"}, False, id="pipe"),
    ],
)
def test_colour_is_used_where_somebody_sees_it(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, environment: dict[str, str], wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(stream) is wanted
