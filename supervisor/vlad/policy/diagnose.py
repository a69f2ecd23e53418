"""Why an attempt died: the cause, the evidence quoted, how sure that is, and what to do. Pure."""

import re
import signal as signals
from collections.abc import Callable, Iterable

from vlad.policy.advice import Advice
from vlad.policy.failure import Excerpt, Failure
from vlad.policy.failure_rules import matching_rule
from vlad.policy.kernel_messages import broken_gpu, killed_for_memory
from vlad.policy.rank_exits import RankExit, pids_told, rank_exits
from vlad.policy.scheduler_lines import CANCELLED, CANCELLED_FOR
from vlad.policy.tracebacks import HEADER, Raised, is_named, raised_in
from vlad.records.run import Cause, Diagnosis, Evidence
from vlad.records.spec import Kind
from vlad.records.wording import Wording, worded

CRASHED = ("it was ended by {signal}: native code crashed", "rank {rank} was ended by {signal}: native code crashed")
KILLED = (
    "it was killed by {signal}; who sent it is not recorded",
    "rank {rank} was killed by {signal}; who sent it is not recorded",
)
EXITED = (
    "it ended with exit code {code}; the log names no cause",
    "rank {rank} ended with exit code {code}; the log names no cause",
)
QUOTED_CHARACTERS = 600
LAST_LINES = 5
BAD_CONFIG_CODE = 2
_AGENT_NOISE = re.compile(r"^[WEI]\d{4} .*torch/distributed/|^(?:W|E|I)\d{4} .*elastic")
_TRAINER_SAYS = re.compile(r"vlatrain: (?:rank (?P<rank>\d+): )?(?P<message>.+)")
_USAGE_ERROR = re.compile(r"[\w./-]+: error: (?P<message>.+)")
_PYTHON_SAYS = re.compile(r"\S*python[\d.]*: (?:can't open file|No module named) .+")
_AFTERMATH = {-signals.SIGTERM, -signals.SIGABRT, -signals.SIGINT}  # what torchrun and NCCL do to the other ranks
_CRASHES = {signals.SIGSEGV, signals.SIGBUS, signals.SIGILL, signals.SIGFPE, signals.SIGABRT}


def diagnose(failure: Failure) -> Diagnosis | None:
    """The diagnosis of an attempt that ended, None where it succeeded.

    The strongest witness speaks: the kernel's log and counters, the job scheduler, then a refusal of the configuration,
    a rank that was killed, our trainer's own word, the exception of the earliest failing rank, Python's own word, and
    at last the bare exit status. What other ranks suffer from it (collective time-outs, lost connections) is a cause
    only where nothing else is known.
    """
    if failure.exit.is_success:
        return None
    ranks = rank_exits(failure.console)
    witnesses: tuple[Callable[[Failure, list[RankExit]], Diagnosis | None], ...] = (
        _kernel_said, _out_of_host_memory, _scheduler_said, _refused_config, _killed_rank, _trainers_word,
        _first_exception, _own_signal, _pythons_word, _bare_exit,
    )  # fmt: skip
    return next(found for witness in witnesses if (found := witness(failure, ranks)) is not None)


def _kernel_said(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """What the kernel says of processes that the log or the agent's claim prove to be of the attempt."""
    pids: dict[int, int | None] = dict.fromkeys(pids_told(failure.console))
    pids |= {one.pid: one.rank for one in ranks} | ({failure.agent_pid: None} if failure.agent_pid else {})
    said = failure.kernel or ()
    return killed_for_memory(said, pids) or broken_gpu(said, pids)


def _scheduler_said(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """Slurm writes into the job's own output why it ends it."""
    said = _first_said(failure, CANCELLED)
    if said is None:
        return None
    cause, wording = CANCELLED_FOR[said[1]["why"]]
    evidence = (_quote(failure, said[0], said[1][0]),)
    return Diagnosis.of(cause, wording, evidence=evidence, confidence="certain", advice=Advice.RESUME)


def _out_of_host_memory(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """Only the kernel's counter makes a kill an out-of-memory kill."""
    killed = [rank for rank in ranks if rank.code == -signals.SIGKILL]
    if not failure.exit.oom_kills or not (killed or failure.exit.signal == signals.SIGKILL or _killed_helper(failure)):
        return None
    counted = f"oom_kill counter of the memory cgroup rose by {failure.exit.oom_kills}"
    return Diagnosis.of(
        Cause.HOST_OUT_OF_MEMORY,
        Wording("the kernel killed it because the memory of the host (or its container) ran out"),
        evidence=(Evidence(file=failure.exit_file, text=counted), *_rank_evidence(failure, killed)),
        confidence="certain", advice=Advice.MORE_HOST_MEMORY, rank=killed[0].rank if killed else None,
    )  # fmt: skip


def _killed_helper(failure: Failure) -> bool:
    found = _exception_diagnosis(failure)
    return found is not None and found.cause is Cause.KILLED


def _refused_config(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """Exit 2 is the trainer's word for a bad configuration; of other programs only with a usage error in the log."""
    refusing = [rank for rank in ranks if rank.code == BAD_CONFIG_CODE]
    if failure.exit.code != BAD_CONFIG_CODE and not refusing:
        return None
    said = _first_said(failure, _TRAINER_SAYS if failure.kind is Kind.TRAIN else _USAGE_ERROR)
    if said is None and failure.kind is not Kind.TRAIN:
        return None
    offset, line = (
        (said[0], said[1][0]) if said else (_last_words(failure.console) or [(failure.console.start, "")])[-1]
    )
    return Diagnosis(
        cause=Cause.BAD_CONFIG,
        summary=_short(said[1]["message"] if said else line) or "the configuration was refused (exit 2)",
        evidence=(_quote(failure, offset, line), *_rank_evidence(failure, refusing)),
        confidence="certain" if said else "likely",
        advice=Advice.CORRECT_VALUE,
    )


def _first_said(failure: Failure, pattern: re.Pattern[str]) -> tuple[int, re.Match[str]] | None:
    """The first line of the log that is as `pattern` says, and where it stands."""
    said = ((offset, pattern.fullmatch(line)) for offset, line in failure.console.lines())
    return next(((offset, match) for offset, match in said if match), None)


def _killed_rank(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """A rank that a signal ended, unless torchrun or NCCL sent it in the aftermath of another rank's end."""
    killed = [rank for rank in ranks if rank.code < 0 and rank.code not in _AFTERMATH]
    if not killed:
        return None
    root = killed[0]
    return _by_signal(failure, -root.code, _rank_evidence(failure, killed), root.rank)


def _by_signal(failure: Failure, number: int, evidence: tuple[Evidence, ...], rank: int | None = None) -> Diagnosis:
    if number in _CRASHES:
        return Diagnosis.of(
            Cause.EXCEPTION, _of_signal(CRASHED, number, rank), evidence=evidence, rank=rank,
            advice=Advice.SHARED_MEMORY,
        )  # fmt: skip
    advice = Advice.RESUME
    if number == signals.SIGKILL:
        advice = Advice.NOT_OUT_OF_MEMORY if failure.kernel == () else Advice.MAYBE_OUT_OF_MEMORY
    return Diagnosis.of(
        Cause.KILLED, _of_signal(KILLED, number, rank), evidence=evidence, confidence="unknown", advice=advice,
        rank=rank,
    )  # fmt: skip


def _of_signal(sentences: tuple[str, str], number: int, rank: int | None) -> Wording:
    name = _signal_name(number)
    return worded(sentences[0], signal=name) if rank is None else worded(sentences[1], rank=rank, signal=name)


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _trainers_word(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """Our trainer tells what it understands in one line instead of a traceback."""
    said = _first_said(failure, _TRAINER_SAYS) if failure.kind is Kind.TRAIN else None
    if said is None:
        return None
    offset, match = said
    known = matching_rule(match["message"])
    return Diagnosis(
        cause=known[0].cause if known else Cause.EXCEPTION,
        summary=_short(match["message"]),
        evidence=(_quote(failure, offset, match[0]),),
        confidence="certain",
        advice=known[0].advice if known else Advice.RESUME,
        rank=None if match["rank"] is None else int(match["rank"]),
    )


def _first_exception(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    return _exception_diagnosis(failure, ranks[0].rank if ranks else None)


def _exception_diagnosis(failure: Failure, root: int | None = None) -> Diagnosis | None:
    """The diagnosis of the first exception that is no consequence, from error files (they have times), then the log."""
    files = sorted(failure.rank_errors, key=lambda error: (error.at, error.rank != root))
    from_files = [
        _of_chain([Raised(text=error.message, offset=0, rank=error.rank)], failure, error.file) for error in files
    ]
    from_log = [_of_chain(raised.chain(), failure) for raised in _fatal(raised_in(failure.console), root)]
    found = [*from_files, *from_log]
    if all(consequence for _, consequence in found):
        found += [
            _of_chain([Raised(text=line, offset=offset)], failure)
            for offset, line in _last_words(failure.console)[-1:]
            if is_named(line)
        ]
    roots = [diagnosis for diagnosis, consequence in found if not consequence]
    specific = [diagnosis for diagnosis, _ in found if diagnosis.cause is not Cause.EXITED]
    return next(iter([*roots, *specific]), None)


def _fatal(raised: Iterable[Raised], root: int | None) -> list[Raised]:
    """What ended each rank is the last it raised; torchrun's root first, then by place in the file.

    Lines without a rank may be of several: there the last that is no consequence counts.
    """
    last: dict[int | None, Raised] = {}
    for one in raised:
        known = matching_rule(one.text)
        if one.rank is None and known and known[0].is_consequence and None in last:
            continue
        last[one.rank] = one
    return sorted(last.values(), key=lambda one: (one.rank != root or root is None, one.offset))


def _of_chain(chain: list[Raised], failure: Failure, file: str | None = None) -> tuple[Diagnosis, bool]:
    """The diagnosis of an exception and whether it is a consequence; the first cause that the table knows counts."""
    final = chain[-1]
    evidence: tuple[Evidence, ...] = (_quote(failure, final.offset, final.text, file),)
    for raised in chain:
        if (known := matching_rule(raised.text)) is None:
            continue
        rule, match = known
        if raised is not final:
            evidence = (_quote(failure, raised.offset, raised.text, file), *evidence)
        diagnosis = Diagnosis.of(
            rule.cause, worded(rule.summary, **match.groupdict()), evidence=evidence, advice=rule.advice,
            confidence="unknown" if rule.is_consequence or rule.cause is Cause.KILLED else "certain", rank=final.rank,
        )  # fmt: skip
        return diagnosis, rule.is_consequence
    summary = _short(final.text.partition("\n")[0])
    return Diagnosis(
        cause=Cause.EXCEPTION, summary=summary, evidence=evidence, advice=Advice.TRACEBACK, rank=final.rank
    ), False  # fmt: skip


def _own_signal(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """The job's first process itself was ended by a signal, or a shell in between reports so (128 + number)."""
    number, through_shell = failure.exit.signal, False
    if number is None and failure.exit.code is not None and 128 < failure.exit.code <= 128 + 64:
        number, through_shell = failure.exit.code - 128, True
    if number is None:
        return None
    text = f"exit code {failure.exit.code}" if through_shell else f"signal {number}"
    evidence = (Evidence(file=failure.exit_file, text=text), *_last_line_evidence(failure))
    return _by_signal(failure, number, evidence)


def _pythons_word(failure: Failure, ranks: list[RankExit]) -> Diagnosis | None:
    """Python has not found the program, which it says in one line."""
    if (said := _first_said(failure, _PYTHON_SAYS)) is None:
        return None
    raised = Raised(text=said[1][0], offset=said[0], rank=ranks[0].rank if ranks else None)
    return _of_chain([raised], failure)[0]


def _bare_exit(failure: Failure, ranks: list[RankExit]) -> Diagnosis:
    code = ranks[0].code if ranks else failure.exit.code
    evidence = (*_rank_evidence(failure, ranks[:1]), *_last_line_evidence(failure))
    if code is None:
        return Diagnosis.of(
            Cause.UNKNOWN, Wording("it ended and its exit status was not recorded"), evidence=evidence,
            confidence="unknown", advice=Advice.GUARDIANS_KILLED,
        )  # fmt: skip
    if code in (126, 127):
        return Diagnosis.of(
            Cause.CANNOT_START, worded("a command was not found or cannot be executed (exit {code})", code=code),
            evidence=evidence, advice=Advice.CHECK_COMMAND,
        )  # fmt: skip
    rank = ranks[0].rank if ranks else None
    wording = worded(EXITED[0], code=code) if rank is None else worded(EXITED[1], code=code, rank=rank)
    return Diagnosis.of(
        Cause.EXITED, wording, evidence=evidence, confidence="unknown", advice=Advice.LAST_LINES, rank=rank
    )  # fmt: skip


def _rank_evidence(failure: Failure, ranks: Iterable[RankExit]) -> tuple[Evidence, ...]:
    return tuple(_quote(failure, rank.offset, rank.text) for rank in ranks)


def _last_line_evidence(failure: Failure) -> tuple[Evidence, ...]:
    return tuple(_quote(failure, offset, line) for offset, line in _last_words(failure.console)[-LAST_LINES:])


def _last_words(console: Excerpt) -> list[tuple[int, str]]:
    """The lines that are neither blank nor torchrun's own: its closing traceback and report are cut off."""
    words: list[tuple[int, str]] = []
    last_traceback = 0
    for offset, line in console.lines():
        if "ChildFailedError" in line:
            return words[:last_traceback]
        if line == HEADER:
            last_traceback = len(words)
        if line.strip() and not _AGENT_NOISE.match(line):
            words.append((offset, line))
    return words


def _quote(failure: Failure, offset: int, text: str, file: str | None = None) -> Evidence:
    return Evidence(file=file or failure.console.file, offset=offset, text=text[:QUOTED_CHARACTERS])


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"
