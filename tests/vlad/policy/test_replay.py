"""What somebody who attaches later is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.policy.replay import BLANK, ENTER_SCREEN, replay_of


@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        pytest.param(b"", b"", id="nothing yet"),
        pytest.param(b"one\ntwo\n>>> ", b"one\r\ntwo\r\n>>> ", id="an unfinished line stays open"),
        pytest.param(b"1\n2\n3\n4\n5\n", b"4\r\n5\r\n", id="as many lines as fit"),
        pytest.param(b"\x1b[6n\x1b]0;title\x07\x1b[2Jok\n", b"ok\r\n", id="no question, title or move"),
        pytest.param(b"\x1b[31mred\x1b[0m\n", b"\x1b[31mred\x1b[0m\r\n", id="colours stay"),
        pytest.param(b">>> imprt\x08 \x08\x08 \x08ort\n", b">>> import\r\n", id="what was taken back is gone"),
        pytest.param(b" 10%\r 20%\r 30%", b" 30%", id="a progress bar shows its last state"),
        pytest.param(
            b"one\n\x1b[?1049hdr\x1b[Hawn\x1b[?1049lplain\n", b"one\r\nplain\r\n", id="a screen that was left"
        ),
        pytest.param(b"drawn\x1b[?1049lplain\n", b"plain\r\n", id="a screen that was left, its begin not in sight"),
    ],
)
def test_the_last_lines_are_shown_as_text(tail: bytes, shown: bytes) -> None:
    replay = replay_of(tail, 4)
    assert replay.content == shown
    assert not replay.redraws


def test_a_program_that_has_the_whole_screen_draws_it_anew() -> None:
    replay = replay_of(b"plain\n\x1b[?1049h\x1b[5;5Hdrawn", 24)
    assert replay.content == ENTER_SCREEN + BLANK
    assert replay.redraws


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=50))
def test_any_bytes_can_be_replayed(tail: bytes, rows: int) -> None:
    replay = replay_of(tail, rows)
    assert replay.redraws or replay.content.count(b"\r\n") < max(1, rows)
