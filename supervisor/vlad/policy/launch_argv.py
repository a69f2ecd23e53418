"""From the arguments of `vlad start` and the environment to the command lines of the trainer. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlad.policy.secrets import is_secret

_PROCESSES = re.compile(r"--?nproc[-_]per[-_]node(?:=(\d+))?")
POSITIONALS = ("NPROC", "TARGET_STEPS", "SAVE_STEPS", "EVAL_EVERY", "PATIENCE")
DEFAULT_CONFIG = "method_icsm_hsw_thermostat.yaml"
AUTO = "auto"
MOST_PROCESSES = 1024

KEPT_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "DISPLAY"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("REQUESTS_CA_BUNDLE", "MASTER_ADDR", "MASTER_PORT", "VLAD_HOME", "VLAD_PROJECT_ROOT", "VLAD_SIM_PYTHON"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("SERVER_PROFILE", "BATCH_SIZE", "GRAD_ACCUM", "PROBE_BATCH_SIZE", "THERMO_UPDATE", "THERMO_WARMUP"),
        *("RESUME_ADAPTER", "RESUME_STEP"),
    }
)
KEPT_PREFIXES = (
    *("LC_", "XDG_", "PYTHON", "CONDA_", "PYTORCH_", "TORCH", "CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "NCCL_"),
    *("GLOO_", "UCX_", "FI_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_"),
    *(
        "WANDB_",
        "TRACKIO_",
        "TOKENIZERS_",
        "MUJOCO_",
        "PYOPENGL_",
        "EGL_",
        "__EGL_",
        "LIBERO_",
        "SLURM_",
        "VLATRAIN_",
        "TRITON_",
    ),
)
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""A module that lies in the working folder, maybe somebody else's, is not imported by `python -m`."""
TRAINING_DEFAULTS = {**SAFE_PATH, "PYTHONUNBUFFERED": "1", "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}


class BadArguments(Exception):
    """Arguments of `vlad start` that cannot be; the message is the one line to print."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainArguments:
    """What `vlad start` was told: NPROC TARGET_STEPS SAVE_STEPS EVAL_EVERY PATIENCE, options, and --set field=value."""

    figures: tuple[str, ...] = ()
    profile: str | None = None
    project_root: str | None = None
    settings: tuple[str, ...] = ()
    resume: str | None = None
    from_scratch: bool = False


def asked_processes(arguments: TrainArguments) -> str:
    """NPROC: "auto" (as the profile says, else one a GPU, else one) or a number. Raises BadArguments."""
    text = arguments.figures[0] if arguments.figures else AUTO
    if text == AUTO:
        return AUTO
    if text.endswith((".yaml", ".yml")):
        raise BadArguments(f"{text}: a configuration is named by --config {text}")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_PROCESSES:
        raise BadArguments(f"NPROC {text!r}: it must be auto or a whole number of at least 1")
    return str(int(text))


def trainer_overrides(arguments: TrainArguments) -> tuple[str, ...]:
    """The `--field=value` words that the arguments mean; of a field given twice the last counts. Raises BadArguments.

    As with the original launcher, naming EVAL_EVERY evaluates while training, and naming PATIENCE stops early.
    """
    words = _figures(arguments.figures)
    if arguments.profile is not None:
        words.append(f"--server_profile={arguments.profile}")
    if arguments.project_root is not None:
        words.append(f"--project_root={arguments.project_root}")
    for setting in arguments.settings:
        words.append(_setting(setting))
    if arguments.resume is not None and arguments.from_scratch:
        raise BadArguments(f"--resume {arguments.resume} and --from-scratch: a run cannot do both; drop one")
    if arguments.resume is not None:
        words.append(f"--resume={arguments.resume}")
    return (*words, "--from-scratch") if arguments.from_scratch else tuple(words)


def print_config_argv(
    python: str, config_file: str | None, overrides: Sequence[str], nproc: str = AUTO, *, check: bool
) -> tuple[str, ...]:
    """Asks the trainer's Python for the resolved configuration as JSON; `check` also looks at files and GPUs."""
    switches = ("--print-config", "--json", *(("--check",) if check else ()), f"--nproc={nproc}")
    return (python, "-m", "vlatrain", *switches, *_given(config_file), *overrides)


def trainer_argv(python: str, nproc: int, config_file: str | None, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """The torchrun command of a run on this host; restarts belong to vlad alone.

    A run's spec.json is a `config_file` too: values then stay as resolved at the start, whatever happens to the YAML.
    """
    torchrun = (python, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={nproc}", "--max-restarts=0")
    return (*torchrun, "-m", "vlatrain", *_given(config_file), *overrides)


def kept_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a run's spec keeps of the environment: what programs need and people set.

    Secrets (HF_TOKEN, WANDB_API_KEY, a proxy's password) reach the job by inheritance only, never the disk.
    """
    return {name: value for name, value in sorted(environ.items()) if _is_kept(name, value)}


def training_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What is kept, with the original launcher's settings where they are not set otherwise."""
    return {**TRAINING_DEFAULTS, **kept_environment(environ)}


def tool_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the trainer is asked with, and its tools run with, in the foreground."""
    return {**SAFE_PATH, **environ}


def _is_kept(name: str, value: str) -> bool:
    upper = name.upper()
    return (upper in KEPT_NAMES or upper.startswith(KEPT_PREFIXES)) and not is_secret(name, value)


def _given(config_file: str | None) -> tuple[str, ...]:
    return () if config_file is None else (config_file,)


def _figures(figures: Sequence[str]) -> list[str]:
    if len(figures) > len(POSITIONALS):
        raise BadArguments(f"too many arguments ({' '.join(figures)}): at most {' '.join(POSITIONALS)}, in this order")
    words: list[str] = []
    for name, text in zip(POSITIONALS[1:], figures[1:], strict=False):
        words += _figure(name, text)
    return words


def _figure(name: str, text: str) -> list[str]:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise BadArguments(f"{name} {text!r}: it must be a whole number of at least 1 ({' '.join(POSITIONALS)})")
    match name:
        case "TARGET_STEPS":
            return [f"--max_steps={text}"]
        case "SAVE_STEPS":
            return [f"--save_steps={text}"]
        case "EVAL_EVERY":
            return ["--enable_periodic_eval=true", f"--eval_every_steps={text}"]
        case _:
            return ["--early_stopping_enabled=true", f"--early_stopping_patience={text}"]


def _setting(setting: str) -> str:
    name, equals, value = setting.partition("=")
    if not equals or not name.strip() or name.startswith("-"):
        raise BadArguments(f"--set {setting}: it must be field=value, e.g. --set batch_size=4")
    return f"--{name.strip()}={value}"


def processes_of(command: tuple[str, ...]) -> int | None:
    """The processes that torchrun is told to start, where it is a number."""
    for word, following in zip(command, (*command[1:], ""), strict=True):
        if match := _PROCESSES.fullmatch(word):
            text = match[1] or following
            return int(text) if text.isdecimal() else None
    return None
