"""Adapters as they lie on disks: trained a little, and in the form of the original script."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from vlatrain.adapters import CONFIG_FILE, WEIGHTS_FILE
from vlatrain.model.lora import save_adapter
from vlatrain.model.openvla import OpenVLA

OLD_NAMES = [
    *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    *("lm_head", "qkv", "proj", "fc1", "fc2", "fc3", "q", "kv"),
]
HEAD_COPY = "base_model.model.language_model.lm_head.base_layer.weight"
OLD_CONFIG = ("bias", "lora_alpha", "lora_dropout", "peft_type", "r", "rank_pattern", "use_dora", "use_rslora")


def trainable(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def nudged(model: PeftModel) -> PeftModel:
    """As after some training: no adapter is zero any more."""
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.device) * 0.05)
    return model


def save_as_the_original_script_did(model: OpenVLA, folder: Path) -> PeftModel:
    """Bare names that meet the head, the patch convolutions and dead modules; bf16; a copy of the whole head."""
    config = LoraConfig(r=4, lora_alpha=4, target_modules=OLD_NAMES, init_lora_weights="gaussian")
    saved = nudged(get_peft_model(model, config))
    save_adapter(saved, folder)
    weights = load_file(folder / WEIGHTS_FILE)
    weights[HEAD_COPY] = model.state_dict()["language_model.lm_head.base_layer.weight"].clone()
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}, folder / WEIGHTS_FILE)
    raw = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(
        json.dumps({name: raw[name] for name in OLD_CONFIG} | {"target_modules": OLD_NAMES})
    )
    return saved
