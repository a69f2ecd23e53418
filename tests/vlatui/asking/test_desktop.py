"""How a terminal is asked for a notification: in the words that it knows, through what stands between, harmlessly."""

import os
import re
import stat
from pathlib import Path

import pytest
from vlatui.asking.desktop import MOST_CHARACTERS, Multiplexer, Terminal, desktop_notification, harmless
from vlatui.asking.outside import terminal

SAID = "demo failed: the disk is full"


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, f"\x1b]9;vlatui: {SAID}\x07"),
        ({"TERM": "xterm-256color"}, f"\x1b]9;vlatui: {SAID}\x07"),
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, f"\x1b]99;;vlatui: {SAID}\x07"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, f"\x1b]99;;vlatui: {SAID}\x07"),
        ({"TERM": "foot"}, f"\x1b]777;notify;vlatui;{SAID}\x07"),
        ({"TERM": "rxvt-unicode-256color"}, f"\x1b]777;notify;vlatui;{SAID}\x07"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, f"\x1b]777;notify;vlatui;{SAID}\x07"),
        ({"TERM": "xterm-ghostty"}, f"\x1b]777;notify;vlatui;{SAID}\x07"),
        ({"TERM": "linux"}, ""),
        ({"TERM": "dumb"}, ""),
        ({}, ""),
        ({"TERM": "screen-256color", "STY": "1.pts"}, f"\x1bP\x1b]9;vlatui: {SAID}\x07\x1b\\"),
        ({"TERM": "tmux-256color"}, f"\x1bPtmux;\x1b\x1b]9;vlatui: {SAID}\x07\x1b\\"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_each_terminal_is_asked_in_the_way_that_it_knows(environment: dict[str, str], sent: str) -> None:
    assert desktop_notification(SAID, terminal(environment)) == sent


def standin_tmux(folder: Path, says: str) -> dict[str, str]:
    program = folder / "tmux"
    program.write_text(f"#!/bin/sh\nprintf '{says}\\n'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    return {"TERM": "tmux-256color", "TMUX": "/tmp/a,1,0", "KITTY_WINDOW_ID": "1", "PATH": path}


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("xterm-kitty kitty(0.35)\\t1", Terminal("xterm-kitty kitty(0.35)", Multiplexer.TMUX)),
        ("xterm-256color VTE(7600)\\tall", Terminal("xterm-256color VTE(7600)", Multiplexer.TMUX)),
        ("foot \\t0", Terminal("foot", Multiplexer.TMUX, keeps_back=True)),
        ("foot \\toff", Terminal("foot", Multiplexer.TMUX, keeps_back=True)),
        ("foot \\t", Terminal("foot", Multiplexer.TMUX)),
        ("", Terminal("tmux-256color", Multiplexer.TMUX)),
    ],
)
def test_inside_tmux_the_terminal_is_the_one_that_tmux_is_shown_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, expected: Terminal
) -> None:
    environment = standin_tmux(tmp_path, says)
    monkeypatch.setenv("PATH", environment["PATH"])
    assert terminal(environment) == expected


def test_a_tmux_that_is_not_there_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terminal({"TMUX": "/tmp/a,1,0", "TERM": "screen"}) == Terminal("screen", Multiplexer.TMUX)


NASTY = (
    "\x1b]52;c;AAAA\x07", "\x1b[2J\x1b[31mred", "a\x07b", "a\x9cb\x9d9;4;1;50\x9c", "line\nline\r\ttab", "\x1b\\",
    "\x1bP+q\x1b\\", "4;1;50", ";;;", "\u202eevil\u2066", "\udc80", "\x00\x7f", "x" * 5000, "",
)  # fmt: skip


@pytest.mark.parametrize("words", NASTY)
@pytest.mark.parametrize("names", ["xterm", "kitty", "foot"])
@pytest.mark.parametrize("multiplexer", list(Multiplexer))
def test_words_from_anywhere_never_leave_the_sequence(words: str, names: str, multiplexer: Multiplexer) -> None:
    told = harmless(words)
    assert told.isprintable()
    assert ";" not in told
    assert len(told) <= MOST_CHARACTERS
    told.encode()
    sent = desktop_notification(words, Terminal(names, multiplexer))
    inner = re.sub(r"^\x1bP(?:tmux;\x1b)?|\x1b\\$", "", sent) if multiplexer is not Multiplexer.NONE else sent
    assert re.fullmatch(r"\x1b\](9;vlatui: |99;;vlatui: |777;notify;vlatui;)[^\x00-\x1f\x7f-\x9f]*\x07", inner)
