"""What the kernel's log tells of an attempt, by the kernel's and the driver's own formats."""

from pathlib import Path

import pytest
from vlad.policy.diagnose import diagnose
from vlad.policy.failure import Excerpt, Failure
from vlad.policy.kernel_messages import KernelMessage, parsed
from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.spec import Kind

MATERIALS = Path(__file__).parents[1] / "materials"
BOOTED_AT = 1_700_000_000.0
REPORT = b"""
      rank      : 2 (local_rank: 2)
      exitcode  : -9 (pid: 4711)
"""


def messages(name: str) -> tuple[KernelMessage, ...]:
    records = (MATERIALS / "kernel" / f"{name}.kmsg").read_bytes().splitlines()
    return tuple(one for record in records if (one := parsed(record, BOOTED_AT)) is not None)


def explained(name: str, console: bytes = b"", agent_pid: int | None = 4711,
              code: int | None = None) -> Diagnosis:  # fmt: skip
    """Of an attempt that ended with a code, or by SIGKILL."""
    ended = Exit(at=1.0, signal=9) if code is None else Exit(at=1.0, code=code)
    failure = Failure(
        exit=ended, kind=Kind.TRAIN, agent_pid=agent_pid, kernel=messages(name),
        console=Excerpt(file="console.log", content=console),
    )  # fmt: skip
    found = diagnose(failure)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "cause", "summary", "confidence"),
    [
        ("memory_cgroup", Cause.HOST_OUT_OF_MEMORY, "4711 (python): the memory of its memory cgroup", "certain"),
        ("host", Cause.HOST_OUT_OF_MEMORY, "4711 (pt_data_worker): the memory of the host", "certain"),
        ("old_kernel", Cause.HOST_OUT_OF_MEMORY, "4711 (python): the memory of the host", "certain"),
        ("xid_fallen_off_the_bus", Cause.GPU_FAULT, "PCI:0000:3b:00 failed: it has fallen off the bus", "likely"),
        ("xid_double_bit_ecc", Cause.GPU_FAULT, "a double-bit ECC error (Xid 48)", "certain"),
        ("xid_of_the_program", Cause.KILLED, "killed by SIGKILL", "unknown"),
    ],
)
def test_the_kernel_is_believed_about_what_it_names(name: str, cause: Cause, summary: str, confidence: str) -> None:
    diagnosis = explained(name)
    assert (diagnosis.cause, diagnosis.confidence) == (cause, confidence)
    assert summary in diagnosis.summary
    if cause is not Cause.KILLED:
        assert diagnosis.evidence[0].file == "/dev/kmsg"
        assert diagnosis.evidence[0].text in {message.text for message in messages(name)}


@pytest.mark.parametrize("name", ["memory_cgroup", "host", "old_kernel", "xid_double_bit_ecc"])
def test_what_the_kernel_says_of_processes_of_others_explains_nothing(name: str) -> None:
    """137 is not out of memory because something else on the host was."""
    for code in (None, 137):
        assert explained(name, agent_pid=42, code=code).cause is Cause.KILLED


def test_a_killed_rank_is_known_by_the_pid_that_torchrun_reports() -> None:
    diagnosis = explained("memory_cgroup", console=REPORT, agent_pid=42, code=1)
    assert (diagnosis.cause, diagnosis.rank) == (Cause.HOST_OUT_OF_MEMORY, 2)


def test_a_killed_loader_is_known_by_the_pid_that_pytorch_reports() -> None:
    said = b"RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed. \n"
    assert explained("host", console=said, agent_pid=42, code=1).cause is Cause.HOST_OUT_OF_MEMORY


def test_a_kernel_log_that_was_read_and_names_no_kill_is_told_of() -> None:
    for kernel, said in (
        ((), "has no kill for lack of memory"),
        (None, "see `dmesg`"),
        (messages("host"), "see `dmesg`"),
    ):
        killed = Exit(at=1.0, signal=9)
        diagnosis = diagnose(Failure(exit=killed, kind=Kind.TRAIN, console=Excerpt(file="log"), kernel=kernel))
        assert diagnosis is not None
        assert diagnosis.cause is Cause.KILLED
        assert said in diagnosis.advice


def test_times_count_from_the_boot() -> None:
    assert [message.at for message in messages("memory_cgroup")][-1] == pytest.approx(BOOTED_AT + 900.00042)


@pytest.mark.parametrize("record", [b"", b"no record", b"6,1,x,-;text", b" SUBSYSTEM=pci", b"6,1;text"])
def test_what_is_no_record_is_none(record: bytes) -> None:
    assert parsed(record, BOOTED_AT) is None
