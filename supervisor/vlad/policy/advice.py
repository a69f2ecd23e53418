"""What to do about an end as the run stands now: a closed set, which the dashboard has in other languages too. Pure."""

from enum import StrEnum

from vlad.records.run import Attempt, RunRecord
from vlad.records.wording import Wording, Wordings, word_for_word

_RESUME = "`vlad resume` starts it again, from a checkpoint where there is one"


class Advice(StrEnum):
    """A sentence for the user."""

    RESUME = _RESUME
    LESS_GPU_MEMORY = (
        "lower batch_size and raise grad_accumulation_steps by the same factor (the effective batch stays), "
        "or free the GPU: `nvidia-smi` shows who else holds its memory"
    )
    MORE_HOST_MEMORY = "lower num_workers or shuffle_buffer_size, or run on a host (or in a container) with more memory"
    FREE_DISK = "free space or lower keep_checkpoints; " + _RESUME
    MAKE_SPACE = "make space (`df` shows where); " + _RESUME
    INSTALL_MODULE = "the environment of --python lacks it: install it there, or choose another with --python"
    FITTING_VERSIONS = (
        "versions of this environment do not fit each other: install the project's extras anew with its constraints"
    )
    CHECK_PATH = "check the path; `vlad show RUN` and `vlad config RUN` tell what it was started with"
    CHECK_MODEL = "check vla_path; behind a mirror set HF_ENDPOINT"
    CORRECT_FILE = "correct the file at the place that the error names"
    CORRECT_VALUE = "correct the value and start again; `vlad config RUN` shows where each one came from"
    FITTING_CHECKPOINT = (
        "resume with the settings that it was saved with (lora_rank, vla_path), or from another checkpoint"
    )
    SMALLER_STEPS = "lower learning_rate, raise lr_warmup_steps, or use bf16; restarting alone would repeat it"
    LOOK_AT_ECC = "look at `nvidia-smi -q -d ECC` and the kernel's log; the card may need a reset or replacement"
    LOOK_AT_CARD = "`vlad doctor` shows its health; a card that does it again needs a reset or a repair"
    FEWER_WORKERS = "often the host's memory or /dev/shm ran out: lower num_workers, look at `dmesg` and `df /dev/shm`"
    FIND_LATE_RANK = "look for what held the other rank up; `vlad logs RUN` shows its last lines"
    CONSEQUENCE = "the other rank ended first; this is a consequence, not the cause"
    LAST_LINES = "its last lines are quoted; `vlad logs RUN` shows more"
    SHARED_MEMORY = "look at the last lines of the log; SIGBUS often means that /dev/shm is full"
    TRACEBACK = "the traceback in the log shows where; a restart may repeat it"
    CHECK_COMMAND = "check PATH and the file's permissions"
    MAYBE_OUT_OF_MEMORY = (
        "an administrator, a job scheduler or the kernel's out-of-memory killer may have (see `dmesg`); " + _RESUME
    )
    NOT_OUT_OF_MEMORY = (
        "an administrator or a job scheduler may have: the kernel's log has no kill for lack of memory; " + _RESUME
    )
    GUARDIANS_KILLED = "both of its guardians were killed at once; " + _RESUME
    STACKS = "the stacks show where each rank waits; " + _RESUME
    NO_STACKS = (
        "no stack could be read: install py-spy, or call vlad.report.answer_stack_requests() in the program; a silence "
        "that is no hang wants a longer --hang-after"
    )


def since(record: RunRecord, attempt: Attempt) -> Wordings:
    """Whether the run went on after the end of `attempt`, or will; nothing where that was its end."""
    if attempt.number < len(record.attempts):
        return (Wording("it was restarted"),)
    is_over = record.state.is_final or record.stop_requested
    return () if is_over else (Wording("it will be restarted"),)


def to_do(record: RunRecord, attempt: Attempt) -> Wordings:
    """What is to be done about the end of `attempt`. Where the run goes on after it nobody needs to resume it."""
    advice = attempt.diagnosis.advice if attempt.diagnosis else ""
    by_itself = advice.removesuffix(Advice.RESUME)
    resume = "" if since(record, attempt) else advice[len(by_itself) :]
    return (*word_for_word(by_itself.removesuffix("; ")), *word_for_word(resume))
