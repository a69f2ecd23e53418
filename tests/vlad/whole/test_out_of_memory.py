"""A job that the kernel really kills for lack of memory, in a memory cgroup of its own; and one that somebody kills."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until
from supervised_runs import Lab, Run
from vlad.host.kernel_log import DEVICE, kernel_messages
from vlad.records.outcome import Cause
from vlad.records.run import State

LIMIT_BYTES = 96 * 2**20
GREEDY = "held = []\nwhile True:\n    held.append(bytearray(2**20))"
START = (
    "import os, sys; from pathlib import Path; Path(sys.argv[1]).write_text(str(os.getpid())); "
    "from vlad.supervise import detach; from vlad.records.rundir import RunDirectory; "
    "detach.start(RunDirectory(Path(sys.argv[2])))"
)


def _limits() -> Iterator[tuple[Path, str]]:
    """Where this host may have memory cgroups, and the file that limits one: version 1, then 2."""
    yield Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    yield Path("/sys/fs/cgroup"), "memory.max"


def _limited() -> Path | None:
    """A new memory cgroup of 96 MiB, None where none can be made."""
    for root, limit in _limits():
        folder = root / f"vlad-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limit).write_text(str(LIMIT_BYTES))
        except OSError:
            folder.rmdir()
            continue
        return folder
    return None


@pytest.fixture
def cramped() -> Iterator[Path]:
    folder = _limited()
    if folder is None:
        pytest.skip("no memory cgroup can be made here")
    yield folder
    until(lambda: not (folder / "cgroup.procs").read_text(), "an empty cgroup")
    folder.rmdir()


def start_in(cgroup: Path, lab: Lab, *argv: str) -> Run:
    """Keeper, supervisor and job live in the cgroup, as they do in a container."""
    run = lab.create(lab.spec(*argv))
    words = [sys.executable, "-c", START, str(cgroup / "cgroup.procs"), str(run.directory.path)]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    return run


def test_a_job_that_the_kernel_killed_for_memory_is_called_that(cramped: Path, lab: Lab) -> None:
    run = start_in(cramped, lab, sys.executable, "-c", GREEDY)
    record = run.until_ended()
    assert record.state is State.FAILED
    ended, diagnosis = record.attempts[0].exit, record.diagnosis
    assert ended is not None
    assert diagnosis is not None
    assert ended.signal == 9
    assert ended.oom_kills, "the cgroup's counter"
    assert (diagnosis.cause, diagnosis.confidence) == (Cause.HOST_OUT_OF_MEMORY, "certain")
    if kernel_messages(0) is not None:
        agent = record.attempts[0].agent
        assert agent is not None
        assert any(one.file == str(DEVICE) and f"process {agent.pid} " in one.text for one in diagnosis.evidence)


def test_a_job_that_somebody_killed_in_the_same_cgroup_is_not(cramped: Path, lab: Lab) -> None:
    run = start_in(cramped, lab, "bash", "-c", "kill -9 $$")
    diagnosis = run.until_ended().diagnosis
    assert diagnosis is not None
    assert (diagnosis.cause, diagnosis.confidence) == (Cause.KILLED, "unknown")
