"""The table of known failures: what an exception or a line looks like, what it means, what to do about it."""

import re
from dataclasses import dataclass

from vlad.records.run import Cause

_LESS_MEMORY = (
    "lower batch_size and raise grad_accumulation_steps by the same factor (the effective batch stays), "
    "or free the GPU: `nvidia-smi` shows who else holds its memory"
)
_MORE_HOST_MEMORY = "lower num_workers or shuffle_buffer_size, or run on a host (or in a container) with more memory"
_FREE_DISK = "free space or lower keep_checkpoints, then `vlad resume` goes on from the last checkpoint"
_ENVIRONMENT = "the environment of --python lacks it: install it there, or choose another with --python"
_VERSIONS = "versions of this environment do not fit each other: install the project's extras anew with its constraints"
_PATHS = "check the path; `vlad show RUN` and `vlad config RUN` tell what it was started with"


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
        _LESS_MEMORY,
    ),
    _rule(
        Cause.CUDA_OUT_OF_MEMORY,
        r"CUDA out of memory|\bcuda\.OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED",
        "CUDA ran out of memory",
        _LESS_MEMORY,
    ),
    _rule(
        Cause.HOST_OUT_OF_MEMORY,
        r"DefaultCPUAllocator: (?:can't|not enough) .*?memory.*?(?P<size>\d+) bytes",
        "the host's memory ran out: an allocation of {size} bytes failed",
        _MORE_HOST_MEMORY,
    ),
    _rule(
        Cause.HOST_OUT_OF_MEMORY,
        r"^MemoryError|Cannot allocate memory|DefaultCPUAllocator",
        "the host's memory ran out",
        _MORE_HOST_MEMORY,
    ),
    _rule(
        Cause.DISK_FULL,
        r"No space left on device(?:: '(?P<path>[^']*)')?",
        "the disk is full",
        _FREE_DISK,
    ),
    _rule(Cause.DISK_FULL, r"Disk quota exceeded", "the disk quota is used up", _FREE_DISK),
    _rule(
        Cause.MISSING_MODULE,
        r"No module named '?(?P<module>[\w.]+)'?",
        "the Python module {module} is not installed",
        _ENVIRONMENT,
    ),
    _rule(
        Cause.VERSION_MISMATCH,
        r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'",
        "{module} has no {name}: another version of it is installed than the program was written for",
        _VERSIONS,
    ),
    _rule(
        Cause.VERSION_MISMATCH,
        r"undefined symbol|NVIDIA driver on your system is too old|no kernel image is available",
        "compiled parts do not fit this driver, this GPU or each other",
        _VERSIONS,
    ),
    _rule(
        Cause.BAD_CONFIG,
        r"^(?:yaml|ruamel\.yaml)\.\w+\.(?:Scanner|Parser|Composer|Constructor)Error: (?P<what>[^\n]*)",
        "a YAML file cannot be read: {what}",
        "correct the file at the place that the error names",
    ),
    _rule(
        Cause.CHECKPOINT_MISMATCH,
        r"Error\(s\) in loading state_dict for (?P<model>\w+)",
        "the checkpoint does not fit the model {model}",
        "resume with the settings that it was saved with (lora_rank, vla_path), or from another checkpoint",
    ),
    _rule(
        Cause.CHECKPOINT_MISMATCH,
        r"size mismatch for (?P<name>[\w.]+)|[Mm]issing key\(s\) in state_dict",
        "the checkpoint does not fit the model",
        "resume with the settings that it was saved with (lora_rank, vla_path), or from another checkpoint",
    ),
    _rule(
        Cause.MISSING_FILE,
        r"(?:No such file or directory|Not a directory):? '(?P<path>[^']+)'",
        "{path} does not exist",
        _PATHS,
    ),
    _rule(
        Cause.MISSING_FILE,
        r"(?P<path>\S+) is not a local folder and is not a valid model identifier",
        "the model {path} is neither a folder nor a name on the Hugging Face hub",
        "check vla_path; behind a mirror set HF_ENDPOINT",
    ),
    _rule(
        Cause.MISSING_FILE,
        r"^FileNotFoundError|RepositoryNotFoundError|EntryNotFoundError|No such file or directory",
        "a file or folder does not exist",
        _PATHS,
    ),
    _rule(
        Cause.NOT_A_NUMBER,
        r"^FloatingPointError|\b(?:[Ll]oss|[Gg]rad\w*)\b.{0,60}\b(?:nan|NaN|inf|Inf|not finite|non-finite)\b",
        "the loss or a gradient became NaN or infinite",
        "lower learning_rate, raise lr_warmup_steps, or use bf16; restarting alone would repeat it",
    ),
    _rule(
        Cause.GPU_FAULT,
        r"uncorrectable ECC|GPU is lost|fallen off the bus|unspecified launch failure|CUDA error: unknown error",
        "a GPU failed",
        "look at `nvidia-smi -q -d ECC` and the kernel's log; the card may need a reset or replacement",
    ),
    _rule(
        Cause.KILLED,
        r"DataLoader worker \(pid(?:\(s\))? (?P<pid>[\d, ]+)\) (?:is killed by signal|exited unexpectedly)",
        "a data-loader worker (pid {pid}) was killed, cause unknown",
        "often the host's memory or /dev/shm ran out: lower num_workers, look at `dmesg` and `df /dev/shm`",
    ),
    _rule(
        Cause.NCCL_TIMEOUT,
        r"Watchdog caught collective operation timeout|[Tt]imed out waiting \d+ms|DistBackendError.*?timeout",
        "a collective operation timed out: another rank did not take part",
        "look for what held the other rank up; `vlad logs RUN` shows its last lines",
        is_consequence=True,
    ),
    _rule(
        Cause.LOST_NODE,
        r"Connection (?:closed|reset) by (?:remote )?peer|DistBackendError|DistNetworkError|NCCL (?:remote )?error"
        r"|Broken pipe|heartbeat",
        "the connection to another rank was lost",
        "the other rank ended first; this is a consequence, not the cause",
        is_consequence=True,
    ),
    _rule(
        Cause.KILLED,
        r"SignalException: Process \d+ got signal: (?P<signal>\d+)",
        "torchrun was ended by signal {signal}; who sent it is not recorded",
        "`vlad resume` goes on from the last checkpoint",
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
