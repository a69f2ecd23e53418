"""What can be told to fail before a model is loaded: missing or broken files, no room, too few GPUs. Loads no torch."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

from vlatrain.adapters import latest_adapter, strangeness
from vlatrain.configuration.checks import needs
from vlatrain.configuration.data_checks import check_data, check_probe
from vlatrain.configuration.finetune import Device, FinetuneConfig, Precision
from vlatrain.configuration.fitting import check_inputs
from vlatrain.configuration.memory import Sharding
from vlatrain.configuration.method import ThermostatMode
from vlatrain.configuration.places import artifact_folder, base_model_folder, hub_caches, weight_files
from vlatrain.errors import ConfigError, TrainerError
from vlatrain.fast.levers import LEAST_TO_COMPILE, Arithmetic, Place, levers
from vlatrain.git_lfs import ADVICE, is_pointer
from vlatrain.model.tensor_file import read_header
from vlatrain.suites import LIBERO_SUITES
from vlatrain.train.checkpoint import latest_checkpoint

LEAST_FREE_BYTES = 256 * 2**20
MOST_CPU_BYTES = 2 * 10**9
GPU_NAME = re.compile(r"\d+|(GPU|MIG)-[\w/-]+")


def check_files(config: FinetuneConfig, environ: Mapping[str, str]) -> None:
    """Raises ConfigError for the first file or folder that training would miss."""
    check_combinations(config)
    check_bitsandbytes(config)
    check_base_model_path(config, environ)
    check_data(config)
    base = base_model_folder(config, environ)
    check_resume(config, base)
    if model := config.resume_full_model_dir or base:
        check_inputs(config, model)
    check_method(config)
    check_simulator(config)
    for name in ("run_root_dir", "adapter_tmp_dir"):
        check_room(name, getattr(config, name))


def check_combinations(config: FinetuneConfig) -> None:
    """Raises ConfigError for settings that cannot be had together, on whatever machine."""
    trains_lora = config.sharding is Sharding.NONE or config.use_lora
    needs(config, "sharding", trains_lora, "a base model in parts trains through LoRA only; set use_lora true")
    is_plain = config.sharding is Sharding.NONE or not config.method_enabled
    needs(config, "sharding", is_plain, "the method measures whole models only; set method_enabled false")
    is_whole = config.sharding is Sharding.NONE or not config.ema_decay
    needs(config, "ema_decay", is_whole, "means of a model in parts are not kept; set sharding none, or ema_decay 0")
    check_bits(config)
    is_adapter = config.use_lora or not config.merge_lora_during_training
    needs(config, "merge_lora_during_training", is_adapter, "without LoRA checkpoints are whole models; set it false")
    is_libero = not config.enable_periodic_eval or config.eval_task_suite_name in LIBERO_SUITES
    is_steered = config.method_enabled and config.foretells_proprio
    told = "the method steers the loss of the actions alone; set method_enabled false, or proprio_loss_weight 0"
    needs(config, "proprio_loss_weight", not is_steered, told)
    needs(config, "use_wrist_image", is_libero or not config.use_wrist_image, "the tabletop has one camera")


def check_bits(config: FinetuneConfig) -> None:
    """Raises ConfigError where a base in 8 or 4 bits is wanted in a way in which it cannot be had."""
    if not config.has_nf4_base and not config.has_fp8_base:
        return
    name = _field_of_bits(config)
    bits = "4 bits" if config.has_nf4_base else "8 bits"
    is_whole = config.sharding is Sharding.NONE
    needs(config, name, is_whole, f"a base model in {bits} is not spread over ranks; set sharding none")
    needs(config, name, config.device is not Device.CPU, f"a base model in {bits} trains on GPUs only")


def check_bitsandbytes(config: FinetuneConfig) -> None:
    """Raises ConfigError where 4 bits are wanted without the library that knows them."""
    is_there = not config.has_nf4_base or find_spec("bitsandbytes") is not None
    needs(config, _field_of_bits(config), is_there, "bitsandbytes is not installed: pip install 'vlatui[quantize]'")


def _field_of_bits(config: FinetuneConfig) -> str:
    """Which of the two fields asks for fewer bits."""
    return "use_quantization" if config.use_quantization else "base_precision"


def check_simulator(config: FinetuneConfig) -> None:
    """Raises ConfigError where LIBERO shall be evaluated on and cannot be simulated: absent, or of a wrong version."""
    if not config.enable_periodic_eval or config.eval_task_suite_name not in LIBERO_SUITES:
        return
    from vlatrain.sim.finding import found_libero

    try:
        found_libero(config.sim_python)
    except TrainerError as error:
        raise ConfigError(
            f"--eval_task_suite_name {config.eval_task_suite_name}: {error}", "eval_task_suite_name", "sim_python"
        ) from None


def check_base_model_path(config: FinetuneConfig, environ: Mapping[str, str]) -> None:
    """Raises ConfigError for a broken base model, or one to be downloaded where that is forbidden."""
    folder = base_model_folder(config, environ)
    if folder is not None:
        check_base_model(folder)
    elif environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true", "yes", "on"}:
        caches = ", ".join(map(str, hub_caches(config, environ)))
        flag = f"--vla_path {config.vla_path}"
        raise ConfigError(f"{flag}: HF_HUB_OFFLINE is set and it is not in {caches}; name its folder", "vla_path")


def check_machine(config: FinetuneConfig, environ: Mapping[str, str], nproc: int, gpus: int) -> None:
    """Raises ConfigError for what this machine cannot do: see the three checks that it makes."""
    check_place_of_evaluation(config, environ, nproc, gpus)
    if config.device is not Device.CPU:
        check_gpus(config, environ, nproc, gpus)
    check_levers(config, nproc, gpus)


def check_gpus(config: FinetuneConfig, environ: Mapping[str, str], nproc: int, gpus: int) -> None:
    """Raises ConfigError where the processes cannot each have a GPU, or a large model would land on the CPU unasked."""
    if config.device is Device.CUDA and gpus == 0:
        raise ConfigError("--device cuda: no GPU is visible (see CUDA_VISIBLE_DEVICES); set device cpu", "device")
    if gpus == 0 and not is_small(base_model_folder(config, environ)):
        told = f"no GPU is visible, and {config.vla_path} is too large for the CPU"
        raise ConfigError(
            f"{told}: look at nvidia-smi and CUDA_VISIBLE_DEVICES, or set device cpu", "device", "vla_path"
        )
    if 0 < gpus < nproc:
        raise ConfigError(f"{nproc} processes on {gpus} visible GPU{'s' * (gpus > 1)}: start {gpus}, or set device cpu")


def check_levers(config: FinetuneConfig, nproc: int, gpus: int) -> None:
    """Raises ConfigError for a lever of speed that is asked for and cannot be had.

    No driver is asked: what depends on the kind of card comes out when there is one.
    """
    has_gpu = gpus > 0 and config.device is not Device.CPU
    usual = Precision.BF16 if has_gpu else Precision.FP32
    precision = usual if config.precision is Precision.AUTO else config.precision
    capability = LEAST_TO_COMPILE if has_gpu else None
    levers(config, Place(arithmetic=Arithmetic(precision.value), capability=capability, world_size=nproc))


def check_place_of_evaluation(config: FinetuneConfig, environ: Mapping[str, str], nproc: int, gpus: int) -> None:
    """Raises ConfigError where evaluations beside training would wait for a GPU that training itself holds, or that
    is not there.
    """
    target = config.eval_on
    if target is None or target == "cpu":
        return
    needs(config, "eval_on", gpus > 0 or count_gpus({}) > 0, "this host has no GPU; take cpu, or null")
    if config.device is Device.CPU:
        return
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    own = [name.strip() for name in visible.split(",")] if visible else [str(number) for number in range(nproc)]
    needs(config, "eval_on", target not in own[:nproc], "training itself holds that GPU; name another, or cpu")
    is_room = target != "queue" or count_gpus({}) > nproc
    needs(config, "eval_on", is_room, f"training holds all {nproc} GPUs of this host; take cpu, or null")


def is_small(base: Path | None) -> bool:
    """Whether training it without a GPU may be meant; None is a model that has yet to be downloaded."""
    return base is not None and sum(file.stat().st_size for file in weight_files(base)) <= MOST_CPU_BYTES


def count_gpus(environ: Mapping[str, str], root: Path = Path("/")) -> int:
    """GPUs that a process of this environment may use, without loading a driver."""
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return len(list(takewhile(GPU_NAME.fullmatch, names)))
    for pattern in ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "dev/dxg"):
        if found := len(list(root.glob(pattern))):
            return found
    return 0


def check_base_model(folder: Path) -> None:
    """Raises ConfigError for a base without weights, or with a missing or truncated part."""
    shards = weight_files(folder)
    if not shards:
        raise ConfigError(f"--vla_path: {folder} has no *.safetensors; download the model again", "vla_path")
    for shard in shards:
        check_safetensors(shard)


def check_safetensors(path: Path) -> None:
    """Raises ConfigError for a file that is missing, or shorter or longer than its header says."""
    if is_pointer(path):
        raise ConfigError(f"{path} {ADVICE}")
    try:
        size, expected = path.stat().st_size, read_header(path).file_bytes
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; the model is incomplete, download it again") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ConfigError(f"{path} is no whole safetensors file; download it again") from None
    if size != expected:
        raise ConfigError(f"{path} has {size} bytes instead of {expected}: it is damaged, download it again")


def check_method(config: FinetuneConfig) -> None:
    """Raises ConfigError where the method lacks its offline statistics, or its probe set."""
    if not config.method_enabled:
        return
    folder = artifact_folder(config)
    if not (folder / "meta.json").is_file():
        raise ConfigError(
            f"--icms_artifact_dir {folder}: holds no offline statistics (meta.json); make them with `vlad icsm` and "
            "this configuration, or set method_enabled false",
            "icms_artifact_dir",
            "method_enabled",
        )
    if config.thermostat_mode is not ThermostatMode.OFF:
        check_probe(config)


def check_resume(config: FinetuneConfig, base: Path | None) -> None:
    """Raises ConfigError for an adapter or a merged model that cannot be gone on from; `base` is None if not here."""
    if config.resume_adapter_dir is not None and config.use_lora:
        check_adapter(config.resume_adapter_dir, config.lora_rank, base)
    elif config.resume_adapter_dir is not None:
        named = config.resume_adapter_dir
        is_one = (named / "config.json").is_file()
        check_whole_model("resume_adapter_dir", named if is_one else latest_checkpoint(named) or named)
    if config.resume_full_model_dir is not None:
        check_whole_model("resume_full_model_dir", config.resume_full_model_dir)


def check_whole_model(flag: str, folder: Path) -> None:
    """Raises ConfigError for a folder without a model."""
    if not (folder / "config.json").is_file():
        raise ConfigError(f"--{flag} {folder}: no model is there (no config.json)", flag)
    check_base_model(folder)


def check_adapter(named: Path, rank: int, base: Path | None) -> None:
    """Raises ConfigError for a folder without an adapter (or steps of one), or one of another rank or base."""
    flag = "resume_adapter_dir"
    if not named.is_dir():
        raise ConfigError(f"--{flag} {named}: no such folder", flag)
    folder = latest_adapter(named)
    if not (folder / "adapter_config.json").is_file():
        raise ConfigError(f"--{flag} {folder}: no adapter is there (no adapter_config.json)", flag)
    saved = _json(folder / "adapter_config.json").get("r")
    if saved != rank:
        raise ConfigError(
            f"--lora_rank {rank}: the adapter {folder} has rank {saved}; set lora_rank {saved}", "lora_rank"
        )
    if not any((folder / f"adapter_model.{ending}").is_file() for ending in ("safetensors", "bin")):
        raise ConfigError(f"--{flag} {folder}: the adapter has no weights (adapter_model.safetensors)", flag)
    if (folder / "adapter_model.safetensors").is_file():
        check_safetensors(folder / "adapter_model.safetensors")
        if base is not None and (strange := strangeness(folder, weight_files(base))):
            raise ConfigError(f"--{flag} {folder}: the adapter was not made for {base}: {strange}", flag, "vla_path")


def check_room(name: str, folder: Path) -> None:
    """Raises ConfigError where a folder cannot be made or written, or its disk is full."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise ConfigError(f"--{name} {folder}: {existing} is a file, not a folder", name)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"--{name} {folder}: {existing} is not writable", name)
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE_BYTES:
        raise ConfigError(f"--{name} {folder}: only {free / 2**20:.0f} MiB are free on its disk; make room", name)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not what it should be: no JSON object")
    return content
