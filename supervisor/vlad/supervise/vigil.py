"""Watches whether a run still tells something; one that does not is put on record, looked into, and counts as hung."""

import os
import sys
import time
from pathlib import Path

import msgspec

from vlad.host import processes
from vlad.policy.advice import Advice
from vlad.policy.hang import Silence, Usual, least_bound_s, silence
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.events import WentQuiet
from vlad.records.outcome import Cause, Diagnosis
from vlad.records.quiet import Quiet
from vlad.records.rundir import RunDirectory
from vlad.records.spec import Kind, OnHang, RunSpec
from vlad.records.wording import worded
from vlad.supervise import notifying
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.remarks import remark
from vlad.supervise.worker_group import members

LOOK_S = 1.0
DUMP_PATIENCE_S = 75.0
BOOT = "import sys; sys.path[:] = sys.argv[1].split(chr(0x1F)); from vlad.supervise.stack_dump import main; main()"
STOPPED_STATES = frozenset("Tt")


class Vigil:
    """Counts the silence of the running attempt by a clock that nobody sets, from when it began to watch."""

    def __init__(self, run: RunDirectory, spec: RunSpec, chronicle: Chronicle) -> None:
        self._run = run
        self._spec = spec
        self._chronicle = chronicle
        self._attempt = 0
        self._sizes: tuple[int, ...] = ()
        self._heard_at = time.monotonic()
        self._look_at = 0.0
        self._usual: Usual | None = None
        self._dump: Path | None = None
        self._dump_until = 0.0

    @property
    def _quiet(self) -> Quiet | None:
        return self._chronicle.record.quiet

    @property
    def must_end(self) -> bool:
        """Whether the attempt is to be ended, because it is hung and the policy says so."""
        return self._quiet is not None and self._quiet.is_hung and self._quiet.restarts

    def look(self, attempt: int) -> None:
        """Puts on record what has changed; costs a few calls of stat once a second."""
        if self._spec.hang.action is OnHang.NOTHING or self.must_end or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        if self._has_told(attempt):
            self._hear()
        elif (quiet_s := time.monotonic() - self._heard_at) >= least_bound_s(self._spec.hang, self._spec.kind) / 2:
            self._when_quiet(quiet_s, self._run.attempt(attempt))

    def _has_told(self, attempt: int) -> bool:
        """Whether the files that it writes have changed, or another attempt has begun."""
        sizes = tuple(_size(path) for path in self._signs(attempt))
        told = sizes != self._sizes or attempt != self._attempt
        self._sizes, self._attempt = sizes, attempt
        return told

    def _signs(self, attempt: int) -> tuple[Path, ...]:
        """Our trainer reports; what it prints besides (a library's complaints, say) is no progress."""
        reports = (self._run.progress, self._run.evaluations)
        return reports if self._spec.kind is Kind.TRAIN else (*reports, self._run.attempt(attempt).console)

    def _hear(self) -> None:
        self._heard_at = time.monotonic()
        self._usual, self._dump = None, None
        if self._quiet is not None:
            self._tell(None)

    def _when_quiet(self, quiet_s: float, attempt: AttemptDirectory) -> None:
        usual = self._usual = self._usual or self._read_usual()
        match silence(quiet_s, usual.bound_s):
            case Silence.LONG if self._quiet is None:
                self._tell(self._described(usual, quiet_s))
            case Silence.HUNG if self._quiet is None or not self._quiet.is_hung:
                self._when_hung(usual, quiet_s, attempt)

    def _read_usual(self) -> Usual:
        from vlad.policy.hang import usual_of
        from vlad.records.summary import of_attempt  # few runs are ever quiet for so long
        from vlad.records.summary_reading import read_summary

        summary = of_attempt(read_summary(self._run).summary, self._attempt)
        return usual_of(self._spec.hang, self._spec.kind, summary)

    def _described(self, usual: Usual, quiet_s: float) -> Quiet:
        since = time.time() - quiet_s
        return Quiet(
            since=since, missing=usual.missing, usual=usual.usual, wording=usual.wording,
            hung_at=since + usual.bound_s, restarts=self._spec.hang.action is OnHang.RESTART,
        )  # fmt: skip

    def _when_hung(self, usual: Usual, quiet_s: float, attempt: AttemptDirectory) -> None:
        """First the stacks, by a process of their own; the rest follows when they are there, or do not come."""
        if self._dump is None:
            self._dump = attempt.stacks / f"hang-{time.strftime('%Y%m%d-%H%M%S')}.txt"
            self._dump_until = time.monotonic() + DUMP_PATIENCE_S
            self._start_dump(self._dump)
        if not self._dump.exists() and time.monotonic() < self._dump_until:
            return
        described = self._quiet or self._described(usual, quiet_s)
        self._tell(self._hung(described, self._dump))
        if not self.must_end:
            notifying.tell_of_hang(self._run, self._chronicle.record)

    def _start_dump(self, file: Path) -> None:
        paths = chr(0x1F).join(path for path in sys.path if path)
        argv = [sys.executable, "-I", "-S", "-c", BOOT, paths, str(self._run.path), str(file)]
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        streams = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._run.supervisor_log), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        )
        try:
            os.posix_spawn(sys.executable, argv, os.environ, file_actions=streams)
        except OSError as error:
            remark(f"no stacks: {error}")
            self._dump_until = 0.0

    def _hung(self, quiet: Quiet, dump: Path) -> Quiet:
        """What is on record of a hang. Processes that somebody has stopped on purpose are not ended for it."""
        stopped = [one.pid for one in members(self._run) if _is_stopped(one.pid)]
        if stopped:
            told = worded(
                "process {pid} is stopped by a signal or a debugger (`kill -CONT` lets it go on)", pid=stopped[0]
            )
            return msgspec.structs.replace(quiet, is_hung=True, restarts=False, usual=told.english, wording=told)
        if not dump.exists():
            return msgspec.structs.replace(quiet, is_hung=True)
        from vlad.policy.stack_frames import evidence_of

        file = str(dump.relative_to(self._run.path))
        evidence = evidence_of(dump.read_text(errors="replace"), file)
        return msgspec.structs.replace(quiet, is_hung=True, stacks=file, evidence=evidence)

    def _tell(self, quiet: Quiet | None) -> None:
        self._chronicle.append(WentQuiet(**self._chronicle.stamp(), quiet=quiet))


def hang_diagnosis(quiet: Quiet, at: float) -> Diagnosis:
    """Why an attempt ended that was ended for a hang."""
    return Diagnosis.of(
        Cause.HUNG, worded("hung: {told}", told=quiet.words(at)), evidence=quiet.evidence,
        advice=Advice.STACKS if quiet.evidence else Advice.NO_STACKS,
    )  # fmt: skip


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _is_stopped(pid: int) -> bool:
    found = processes.read_stat(pid)
    return found is not None and found.state in STOPPED_STATES
