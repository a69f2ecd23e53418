"""The table of known failures: what an exception or a line looks like, what it means, what to do about it."""

import re
from dataclasses import dataclass

from vlad.policy.advice import Advice
from vlad.records.run import Cause


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is searched in the text of an exception; its groups fill `summary`."""

    cause: Cause
    pattern: re.Pattern[str]
    summary: str
    advice: str
    is_consequence: bool = False


def _rule(cause: Cause, pattern: str, summary: str, advice: str = "", *, is_consequence: bool = False) -> Rule:
    return Rule(cause, re.compile(pattern, re.DOTALL), summary, advice, is_consequence)


RULES: tuple[Rule, ...] = (
    _rule(
        Cause.CUDA_OUT_OF_MEMORY,
        r"(?:CUDA out of memory|OutOfMemoryError).*?Tried to allocate (?P<size>[\d.]+ ?\w+).*?GPU (?P<gpu>\d+)",
        "CUDA ran out of memory: an allocation of {size} failed on GPU {gpu}",
        Advice.LESS_GPU_MEMORY,
    ),
    _rule(
        Cause.CUDA_OUT_OF_MEMORY,
        r"CUDA out of memory|\bcuda\.OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED",
        "CUDA ran out of memory",
        Advice.LESS_GPU_MEMORY,
    ),
    _rule(
        Cause.HOST_OUT_OF_MEMORY,
        r"DefaultCPUAllocator: (?:can't|not enough) .*?memory.*?(?P<size>\d+) bytes",
        "the host's memory ran out: an allocation of {size} bytes failed",
        Advice.MORE_HOST_MEMORY,
    ),
    _rule(
        Cause.HOST_OUT_OF_MEMORY,
        r"^MemoryError|Cannot allocate memory|DefaultCPUAllocator",
        "the host's memory ran out",
        Advice.MORE_HOST_MEMORY,
    ),
    _rule(
        Cause.DISK_FULL,
        r"No space left on device(?:: '(?P<path>[^']*)')?",
        "the disk is full",
        Advice.FREE_DISK,
    ),
    _rule(Cause.DISK_FULL, r"Disk quota exceeded", "the disk quota is used up", Advice.FREE_DISK),
    _rule(
        Cause.MISSING_MODULE,
        r"No module named '?(?P<module>[\w.]+)'?",
        "the Python module {module} is not installed",
        Advice.INSTALL_MODULE,
    ),
    _rule(
        Cause.VERSION_MISMATCH,
        r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'",
        "{module} has no {name}: another version of it is installed than the program was written for",
        Advice.FITTING_VERSIONS,
    ),
    _rule(
        Cause.VERSION_MISMATCH,
        r"undefined symbol|NVIDIA driver on your system is too old|no kernel image is available",
        "compiled parts do not fit this driver, this GPU or each other",
        Advice.FITTING_VERSIONS,
    ),
    _rule(
        Cause.BAD_CONFIG,
        r"^(?:yaml|ruamel\.yaml)\.\w+\.(?:Scanner|Parser|Composer|Constructor)Error: (?P<what>[^\n]*)",
        "a YAML file cannot be read: {what}",
        Advice.CORRECT_FILE,
    ),
    _rule(
        Cause.CHECKPOINT_MISMATCH,
        r"Error\(s\) in loading state_dict for (?P<model>\w+)",
        "the checkpoint does not fit the model {model}",
        Advice.FITTING_CHECKPOINT,
    ),
    _rule(
        Cause.CHECKPOINT_MISMATCH,
        r"size mismatch for (?P<name>[\w.]+)|[Mm]issing key\(s\) in state_dict",
        "the checkpoint does not fit the model",
        Advice.FITTING_CHECKPOINT,
    ),
    _rule(
        Cause.MISSING_FILE,
        r"(?:(?:No such file or directory|Not a directory):? |can't open file (?=.+\[Errno 2\]))'(?P<path>[^']+)'",
        "{path} does not exist",
        Advice.CHECK_PATH,
    ),
    _rule(
        Cause.MISSING_FILE,
        r"(?P<path>\S+) is not a local folder and is not a valid model identifier",
        "the model {path} is neither a folder nor a name on the Hugging Face hub",
        Advice.CHECK_MODEL,
    ),
    _rule(
        Cause.MISSING_FILE,
        r"^FileNotFoundError|RepositoryNotFoundError|EntryNotFoundError|No such file or directory",
        "a file or folder does not exist",
        Advice.CHECK_PATH,
    ),
    _rule(
        Cause.NOT_A_NUMBER,
        r"^FloatingPointError|\b(?:[Ll]oss|[Gg]rad\w*)\b.{0,60}\b(?:nan|NaN|inf|Inf|not finite|non-finite)\b",
        "the loss or a gradient became NaN or infinite",
        Advice.SMALLER_STEPS,
    ),
    _rule(
        Cause.GPU_FAULT,
        r"uncorrectable ECC|GPU is lost|fallen off the bus|unspecified launch failure|CUDA error: unknown error",
        "a GPU failed",
        Advice.LOOK_AT_ECC,
    ),
    _rule(
        Cause.KILLED,
        r"DataLoader worker \(pid(?:\(s\))? (?P<pid>[\d, ]+)\) (?:is killed by signal|exited unexpectedly)",
        "a data-loader worker (pid {pid}) was killed, cause unknown",
        Advice.FEWER_WORKERS,
    ),
    _rule(
        Cause.NCCL_TIMEOUT,
        r"Watchdog caught collective operation timeout|[Tt]imed out waiting \d+ms|DistBackendError.*?timeout",
        "a collective operation timed out: another rank did not take part",
        Advice.FIND_LATE_RANK,
        is_consequence=True,
    ),
    _rule(
        Cause.LOST_NODE,
        r"Connection (?:closed|reset) by (?:remote )?peer|DistBackendError|DistNetworkError|NCCL (?:remote )?error"
        r"|Broken pipe|heartbeat",
        "the connection to another rank was lost",
        Advice.CONSEQUENCE,
        is_consequence=True,
    ),
    _rule(
        Cause.KILLED,
        r"SignalException: Process \d+ got signal: (?P<signal>\d+)",
        "torchrun was ended by signal {signal}; who sent it is not recorded",
        Advice.RESUME,
        is_consequence=True,
    ),
    _rule(Cause.EXITED, r"ChildFailedError", "a rank failed", is_consequence=True),
)


def matching_rule(text: str) -> tuple[Rule, re.Match[str]] | None:
    """The first rule of the table that the text of an exception fits."""
    for rule in RULES:
        if match := rule.pattern.search(text):
            return rule, match
    return None
