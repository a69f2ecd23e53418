"""Where things stand: relative paths under project_root, the base model's folder, the run's name."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.errors import ConfigError

TABLETOP_BASE = "tabletop_base"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
ASSETS = Path(__file__).resolve().parents[1] / "assets"


def placed(config: FinetuneConfig, working_folder: Path) -> FinetuneConfig:
    """The configuration with every path absolute: relative ones stand under project_root, or the working folder."""
    root = working_folder / (config.project_root or "")
    paths: dict[str, Any] = {
        name: Path(os.path.normpath(root / value))
        for name, value in ((one.name, getattr(config, one.name)) for one in fields(config))
        if isinstance(value, Path) and name != "project_root"
    }
    logs = {} if config.eval_log_dir else {"eval_log_dir": paths["run_root_dir"] / "eval_logs"}
    return replace(config, **{**paths, **logs, "project_root": Path(os.path.normpath(root))})


def run_name(config: FinetuneConfig) -> str:
    """The original script's name of a run: base, data set, effective batch of one process, rate, LoRA, note."""
    base = config.vla_path.rstrip("/").rsplit("/", 1)[-1]
    batch = config.batch_size * config.grad_accumulation_steps
    name = f"{base}+{config.dataset_name}+b{batch}+lr-{config.learning_rate}"
    if config.use_lora:
        name += f"+lora-r{config.lora_rank}+dropout-{config.lora_dropout}"
    if config.has_nf4_base:
        name += "+q-4bit"
    if config.run_id_note is not None:
        name += f"--{config.run_id_note}"
    return name + "--image_aug" if config.image_aug else name


def run_folder(config: FinetuneConfig) -> Path:
    """Dataset statistics, merged models."""
    return config.run_root_dir / run_name(config)


def adapter_folder(config: FinetuneConfig) -> Path:
    """The checkpoints of this run's name."""
    return config.adapter_tmp_dir / run_name(config)


def eval_log_folder(config: FinetuneConfig) -> Path:
    """The EVAL-*.txt logs."""
    return config.eval_log_dir or config.run_root_dir / "eval_logs"


def artifact_folder(config: FinetuneConfig) -> Path:
    """The offline statistics of the method; where none is named, the original script's place for this base model."""
    return config.icms_artifact_dir or config.artifact_dir / f"icms_{config.vla_path.rstrip('/').rsplit('/', 1)[-1]}"


def base_model_folder(config: FinetuneConfig, environ: Mapping[str, str]) -> Path | None:
    """The folder of the base model: the shipped one, a local one, or a whole snapshot in a cache of the hub.

    None where the hub has to be asked (vlatrain.model.hub does). Raises ConfigError when the name is neither.
    """
    if config.vla_path == TABLETOP_BASE:
        return ASSETS / TABLETOP_BASE
    folder = (config.project_root or Path.cwd()) / Path(config.vla_path).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise ConfigError(f"--vla_path {config.vla_path}: {folder} is no model, it has no config.json", "vla_path")
    if folder.is_file():
        raise ConfigError(f"--vla_path {config.vla_path}: {folder} is a file; name the model's folder", "vla_path")
    if not HUB_ID.fullmatch(config.vla_path):
        raise ConfigError(f"--vla_path {config.vla_path}: {folder} does not exist", "vla_path")
    return _newest_snapshot(config.vla_path, hub_caches(config, environ))


def hub_caches(config: FinetuneConfig, environ: Mapping[str, str]) -> list[Path]:
    """Folders in which hub downloads may lie; new ones go to the first: the environment's, ours, the user's."""
    caches = []
    if chosen := environ.get("HF_HUB_CACHE"):
        caches.append(Path(chosen))
    if home := environ.get("HF_HOME"):
        caches.append(Path(home) / "hub")
    return [*caches, config.cache_dir / "hub", Path("~/.cache/huggingface/hub").expanduser()]


def weight_files(folder: Path) -> list[Path]:
    """The files of weights a model's folder should hold: those its index names, else those it has."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return sorted({folder / name for name in index["weight_map"].values()})
    except FileNotFoundError:
        return sorted(folder.glob("*.safetensors"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise ConfigError(f"{folder / 'model.safetensors.index.json'} is damaged; download it again") from None


def _newest_snapshot(hub_id: str, caches: list[Path]) -> Path | None:
    name = f"models--{hub_id.replace('/', '--')}"
    found = [folder for cache in caches for folder in (cache / name / "snapshots").glob("*") if _is_whole(folder)]
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def _is_whole(snapshot: Path) -> bool:
    weights = weight_files(snapshot)
    return bool(weights) and all(file.is_file() for file in [snapshot / "config.json", *weights])
