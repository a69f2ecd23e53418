"""A verb whose streams were closed by whoever started it answers as ever, to nobody."""

import subprocess
import sys

import pytest
from command_line import Story
from supervised_runs import Lab


def vlad(words: str) -> "subprocess.CompletedProcess[str]":
    command = f"exec {sys.executable} -m vlad.cli {words}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_with_closed_streams_nothing_is_told_and_nothing_is_wrong(lab: Lab, closed: str) -> None:
    Story(lab, "spatial").attempt()
    for verb in ("ls", "show last", "--version"):
        done = vlad(f"{verb} {closed}")
        assert (done.returncode, done.stderr) == (0, "")
        assert bool(done.stdout) == (">&-" not in closed)


def test_a_refusal_whose_stream_is_closed_is_not_told_elsewhere(lab: Lab) -> None:
    done = vlad("show nosuch 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_where_the_answer_has_no_room_it_is_told_what_to_free(lab: Lab) -> None:
    Story(lab, "spatial").attempt()
    done = vlad("ls > /dev/full")
    assert done.returncode == 2
    assert done.stderr == f"vlad: No space left on device: free some in {lab.home.path}, or where the answer goes\n"
