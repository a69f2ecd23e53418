"""Causes of death told from a corpus of logs, exit statuses and error files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from vlad.host.evidence import failure_of
from vlad.policy.diagnose import diagnose
from vlad.policy.failure import Excerpt, Failure, RankError
from vlad.records.run import Cause, Diagnosis, Exit
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind

LOGS = Path(__file__).parents[1] / "materials" / "logs"
FAILED = Exit(at=1.0, code=1)
UNSURE = "unknown"


@dataclass(frozen=True, kw_only=True)
class Case:
    log: str
    cause: Cause
    summary: str
    exit: Exit = FAILED
    kind: Kind = Kind.TRAIN
    rank: int | None = None
    confidence: str = "certain"


def ended(**how: Any) -> Exit:
    return Exit(at=1.0, **how)


CASES = (
    Case(log="cuda_out_of_memory", cause=Cause.CUDA_OUT_OF_MEMORY, summary="86.00 MiB failed on GPU 0"),
    Case(log="cuda_out_of_memory_old_text", cause=Cause.CUDA_OUT_OF_MEMORY, summary="2.00 GiB failed on GPU 1"),
    Case(log="cuda_out_of_memory_rank_1_of_2", cause=Cause.CUDA_OUT_OF_MEMORY, summary="failed on GPU 1", rank=1),
    Case(log="missing_module", cause=Cause.MISSING_MODULE, summary="module draccus is not installed"),
    Case(log="chained_missing_file", cause=Cause.MISSING_FILE, summary="/models/openvla-7b/config.json does not exist"),
    Case(log="torchrun_missing_file", cause=Cause.MISSING_FILE, summary="/data/libero_spatial_no_noops"),
    Case(
        log="torchrun_missing_script", cause=Cause.MISSING_FILE, summary="/home/ada/train.py does not exist",
        kind=Kind.COMMAND, rank=0,
    ),
    Case(
        log="missing_main_module", cause=Cause.MISSING_MODULE, summary="module trainer is not installed",
        kind=Kind.COMMAND,
    ),
    Case(log="data_loader_exception", cause=Cause.MISSING_FILE, summary="/data/episode_7.hdf5 does not exist"),
    Case(log="disk_full", cause=Cause.DISK_FULL, summary="the disk is full"),
    Case(log="checkpoint_mismatch", cause=Cause.CHECKPOINT_MISMATCH, summary="does not fit the model OpenVLA"),
    Case(log="loss_not_a_number", cause=Cause.NOT_A_NUMBER, summary="NaN"),
    Case(log="trainer_loss_not_a_number", cause=Cause.NOT_A_NUMBER, summary="loss is nan at step 20", rank=1),
    Case(log="old_driver", cause=Cause.VERSION_MISMATCH, summary="driver"),
    Case(log="logged_exception_then_fatal", cause=Cause.CUDA_OUT_OF_MEMORY, summary="86.00 MiB"),
    Case(log="syntax_error", cause=Cause.EXCEPTION, summary="SyntaxError: invalid syntax", confidence="likely"),
    Case(log="torchrun_rank_exit_2", cause=Cause.BAD_CONFIG, summary="bad thing"),
    Case(
        log="torchrun_rank_exit_2", cause=Cause.EXITED, summary="rank 1 ended with exit code 2", rank=1,
        kind=Kind.COMMAND, confidence=UNSURE,
    ),
    Case(
        log="bad_yaml", cause=Cause.BAD_CONFIG, summary="my.yaml:3: not valid YAML", exit=ended(code=2),
    ),
    Case(
        log="bad_yaml_elsewhere", cause=Cause.BAD_CONFIG, summary="a YAML file cannot be read: while parsing a flow",
        kind=Kind.COMMAND,
    ),
    Case(log="scheduler_time_limit", cause=Cause.TIME_LIMIT, summary="time limit was reached"),
    Case(log="scheduler_preemption", cause=Cause.PREEMPTED, summary="higher priority", exit=ended(signal=15)),
    Case(log="gpu_uncorrectable_ecc", cause=Cause.GPU_FAULT, summary="GPU", rank=3),
    Case(
        log="usage_error", cause=Cause.BAD_CONFIG, summary="unrecognized arguments", exit=ended(code=2),
        kind=Kind.COMMAND,
    ),
    Case(
        log="bare_exit", cause=Cause.EXITED, summary="exit code 2", exit=ended(code=2), kind=Kind.COMMAND,
        confidence=UNSURE,
    ),
    Case(log="bare_exit", cause=Cause.EXITED, summary="exit code 3", exit=ended(code=3), confidence=UNSURE),
    Case(log="harmless_tracebacks", cause=Cause.EXITED, summary="exit code 3", exit=ended(code=3), confidence=UNSURE),
    Case(log="empty", cause=Cause.EXITED, summary="exit code 1", confidence=UNSURE),
    Case(
        log="command_not_found", cause=Cause.CANNOT_START, summary="not found", exit=ended(code=127),
        confidence="likely",
    ),
    Case(log="torchrun_rank_killed", cause=Cause.KILLED, summary="rank 1 was killed by", rank=1, confidence=UNSURE),
    Case(log="gloo_peer_after_kill", cause=Cause.KILLED, summary="rank 1 was killed by", rank=1, confidence=UNSURE),
    Case(log="bare_exit", cause=Cause.KILLED, summary="killed by SIGKILL", exit=ended(signal=9), confidence=UNSURE),
    Case(log="bare_exit", cause=Cause.KILLED, summary="killed by SIGKILL", exit=ended(code=137), confidence=UNSURE),
    Case(log="torchrun_terminated", cause=Cause.KILLED, summary="ended by signal 15", confidence=UNSURE),
    Case(log="data_loader_worker_killed", cause=Cause.KILLED, summary="worker (pid 4711)", confidence=UNSURE),
    Case(
        log="bare_exit", cause=Cause.HOST_OUT_OF_MEMORY, summary="the kernel killed it",
        exit=ended(signal=9, oom_kills=1),
    ),
    Case(
        log="torchrun_rank_killed", cause=Cause.HOST_OUT_OF_MEMORY, summary="the kernel killed it", rank=1,
        exit=ended(code=1, oom_kills=2),
    ),
    Case(
        log="data_loader_worker_killed", cause=Cause.HOST_OUT_OF_MEMORY, summary="the kernel killed it",
        exit=ended(code=1, oom_kills=1),
    ),
    Case(log="segmentation_fault", cause=Cause.EXCEPTION, summary="SIGSEGV", exit=ended(code=139), confidence="likely"),
    Case(log="bare_exit", cause=Cause.EXCEPTION, summary="SIGSEGV", exit=ended(signal=11), confidence="likely"),
    Case(log="nccl_timeout", cause=Cause.NCCL_TIMEOUT, summary="another rank did not", rank=0, confidence=UNSURE),
    Case(
        log="nccl_timeout_after_exception", cause=Cause.EXCEPTION, summary="the simulator returned no image", rank=1,
        confidence="likely",
    ),
    Case(log="bare_exit", cause=Cause.UNKNOWN, summary="not recorded", exit=ended(), confidence=UNSURE),
)  # fmt: skip


def explained(case: Case) -> Diagnosis:
    console = Excerpt(file="console.log", content=(LOGS / f"{case.log}.log").read_bytes())
    diagnosis = diagnose(Failure(exit=case.exit, kind=case.kind, console=console))
    assert diagnosis is not None
    return diagnosis


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.log}-{case.cause}-{case.exit.code}-{case.exit.signal}")
def test_the_cause_of_death_is_told(case: Case) -> None:
    diagnosis = explained(case)
    assert (diagnosis.cause, diagnosis.rank, diagnosis.confidence) == (case.cause, case.rank, case.confidence)
    assert case.summary in diagnosis.summary
    assert diagnosis.advice


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.log}-{case.cause}-{case.exit.code}-{case.exit.signal}")
def test_evidence_is_quoted_from_where_it_stands(case: Case) -> None:
    content = (LOGS / f"{case.log}.log").read_bytes()
    for evidence in explained(case).evidence:
        if evidence.file == "console.log":
            said = content[evidence.offset :].decode("utf-8", "replace")
            assert evidence.text.split()[0] in " ".join(said[:200].split())


def test_success_needs_no_diagnosis() -> None:
    console = Excerpt(file="console.log", content=(LOGS / "cuda_out_of_memory.log").read_bytes())
    assert diagnose(Failure(exit=ended(code=0), kind=Kind.TRAIN, console=console)) is None


def test_137_is_never_called_out_of_memory_without_a_counter() -> None:
    for status in (ended(code=137), ended(signal=9), ended(signal=9, oom_kills=0)):
        diagnosis = explained(Case(log="bare_exit", cause=Cause.KILLED, summary="", exit=status))
        assert diagnosis.cause is Cause.KILLED
        assert "not recorded" in diagnosis.summary


def test_the_earliest_error_file_is_the_root() -> None:
    failure = Failure(
        exit=ended(code=1),
        kind=Kind.TRAIN,
        console=Excerpt(file="console.log"),
        rank_errors=(
            RankError(rank=0, at=20.0, message="ValueError: late", file="r0"),
            RankError(rank=1, at=10.0, message="ValueError: early", file="r1"),
            RankError(rank=2, at=5.0, message="RuntimeError: Connection closed by peer", file="r2"),
        ),
    )
    diagnosis = diagnose(failure)
    assert diagnosis is not None
    assert (diagnosis.summary, diagnosis.rank, diagnosis.evidence[0].file) == ("ValueError: early", 1, "r1")


def test_a_cut_first_line_is_not_taken_for_evidence() -> None:
    cut = Excerpt(file="console.log", start=100, content=b"Error: half a line\ngiving up\n")
    diagnosis = diagnose(Failure(exit=ended(code=3), kind=Kind.COMMAND, console=cut))
    assert diagnosis is not None
    assert [(evidence.offset, evidence.text) for evidence in diagnosis.evidence] == [(119, "giving up")]


def test_evidence_is_gathered_from_the_run_directory(tmp_path: Path) -> None:
    attempt = RunDirectory(tmp_path).attempt(2)
    folder = attempt.ranks / "none_abc" / "attempt_0" / "1"
    folder.mkdir(parents=True)
    attempt.console.write_bytes(b"x" * 600_000 + b"\nlast line\n")
    attempt.exit.write_text('{"at": 5.0, "code": 1}')
    told = {"message": "KeyError: 'action'", "extraInfo": {"timestamp": "1700000000", "py_callstack": "..."}}
    (folder / "error.json").write_text(json.dumps({"message": told}))
    failure = failure_of(RunDirectory(tmp_path), 2)
    assert (failure.exit.code, failure.kind) == (1, Kind.COMMAND)
    assert failure.console.content.endswith(b"\nlast line\n")
    assert failure.console.start > 0
    assert failure.console.file == "attempts/2/console.log"
    assert [(error.rank, error.message, error.at) for error in failure.rank_errors] == [
        (1, "KeyError: 'action'", 1.7e9)
    ]


def test_missing_or_damaged_evidence_is_none(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path).attempt(1).ranks / "x" / "attempt_0" / "0"
    folder.mkdir(parents=True)
    (folder / "error.json").write_text("{")
    diagnosis = diagnose(failure_of(RunDirectory(tmp_path), 1))
    assert diagnosis is not None
    assert diagnosis.cause is Cause.UNKNOWN
