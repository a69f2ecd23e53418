"""LoRA through PEFT: adapters on named modules, and adapter folders that every PEFT reads."""

from collections.abc import Mapping
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import Tensor, nn

from vlatrain.adapters import FILE_KEY, WEIGHTS_FILE, read_plain_config
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import read_tensors
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.lora_targets import TargetSet, dead_prefixes, pattern, targets
from vlatrain.model.openvla import OpenVLA

ADAPTER = "default"  # PEFT's name of the one adapter: part of parameter names, left out in files


def add_lora(
    model: OpenVLA,
    rank: int = 32,
    alpha: int | None = None,
    dropout: float = 0.0,
    seed: int = 7,
    target_set: TargetSet = TargetSet.LIVE,
    *,
    is_fused: bool = False,
) -> PeftModel:
    """Freezes the model and adds fp32 adapters to it in place: A normal with std 1/rank, B zero, scale alpha/rank.

    `alpha` None is the original script's min(rank, 16). The same seed gives the same adapters on every device.
    `is_fused` computes linears by `FusedLoraLinear`, so that passes need no autocast.
    """
    return _wrap(model, targets(model, target_set), rank, alpha or min(rank, 16), dropout, seed, is_fused)


def save_adapter(model: PeftModel, folder: Path, tensors: Mapping[str, Tensor] | None = None) -> None:
    """Writes adapter_config.json and adapter_model.safetensors into `folder`, as PEFT names and shapes them.

    `tensors`: what `adapter_tensors` gave earlier, instead of what it gives now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.peft_config[ADAPTER].save_pretrained(str(folder))
    weights = {name: tensor.detach().contiguous().cpu() for name, tensor in (tensors or adapter_tensors(model)).items()}
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def load_adapter(model: OpenVLA, folder: Path, dropout: float | None = None, *, is_fused: bool = False) -> PeftModel:
    """Wraps the model with the adapter of a folder, in fp32 and ready to be trained on.

    Which modules are adapted is what the file holds. Tolerated and dropped, because they change no output: adapters
    of modules that never run, and copies of base weights (the head's, as PEFT 0.11 wrote it). `dropout` None keeps
    the folder's own. Raises TrainerError for another kind of adapter, or one that does not fit the model.
    """
    raw = read_plain_config(folder)
    weights, adapted = _live_weights(folder / WEIGHTS_FILE, dead_prefixes(model))
    names = [name for name, _ in model.named_modules() if name in adapted]
    if strangers := sorted(adapted.difference(names)):
        raise TrainerError(f"{folder}: adapts modules that the model does not have, such as {strangers[0]}")
    dropout = raw["lora_dropout"] if dropout is None else dropout
    wrapped = _wrap(model, names, raw["r"], raw["lora_alpha"], dropout, 0, is_fused)
    _fill(folder, adapter_tensors(wrapped), weights)
    return wrapped


def adapter_tensors(model: PeftModel) -> dict[str, Tensor]:
    """The adapter's parameters by their names in files; the live tensors, not copies."""
    named = ((name.replace(f".{ADAPTER}.weight", ".weight"), value) for name, value in model.named_parameters())
    return {name: value for name, value in named if FILE_KEY.fullmatch(name)}


def _wrap(
    model: OpenVLA, names: list[str], rank: int, alpha: int, dropout: float, seed: int, is_fused: bool
) -> PeftModel:
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        init_lora_weights="gaussian",
        bias="none",
        target_modules=pattern(names),
    )
    if is_fused:
        config._register_custom_module({nn.Linear: FusedLoraLinear})  # PEFT's way of adding kinds of layers
        model.casts_itself = True
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return get_peft_model(model, config, adapter_name=ADAPTER, autocast_adapter_dtype=True)


def _live_weights(path: Path, dead: tuple[str, ...]) -> tuple[dict[str, Tensor], set[str]]:
    """The adapter tensors that reach the output, by name, and the modules that they adapt."""
    weights, modules = {}, set()
    for name, tensor in read_tensors(path, torch.device("cpu")):
        key = FILE_KEY.fullmatch(name)
        if key and not key["module"].startswith(dead):
            weights[name] = tensor
            modules.add(key["module"])
    if not weights:
        raise TrainerError(f"{path}: holds no LoRA weights of modules that run")
    return weights, modules


def _fill(folder: Path, parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        if name not in weights:
            raise TrainerError(f"{folder}: {name} is missing")
        if weights[name].shape != parameter.shape:
            raise TrainerError(
                f"{folder}: {name} is {tuple(weights[name].shape)}, but rank and model want {tuple(parameter.shape)}"
            )
        with torch.no_grad():
            parameter.copy_(weights[name])
