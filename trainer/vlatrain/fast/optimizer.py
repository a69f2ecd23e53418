"""AdamW in one kernel on GPUs, with the state dict of the plain one: checkpoints go from either to either."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def adamw(
    parameters: Iterator[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float, device: torch.device
) -> torch.optim.AdamW:
    """Over named parameters. The kernel counts steps on the GPU, so that an update never waits for the host."""
    is_fused = device.type == "cuda"
    optimizer = torch.optim.AdamW(
        parameters, lr=learning_rate, weight_decay=weight_decay, fused=True if is_fused else None
    )
    if is_fused:
        optimizer.register_state_dict_post_hook(_as_plain)
        optimizer.register_load_state_dict_pre_hook(_as_fused)
    return optimizer


def _as_plain(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Steps on the CPU, which are one number for all parameters of a group: reading it once waits for the GPU once."""
    state = saved["state"]
    plain: dict[int, dict[str, Any]] = {}
    for known in ([number for number in group["params"] if number in state] for group in saved["param_groups"]):
        steps = torch.tensor(float(state[known[0]]["step"])) if known else None
        plain |= {number: {**state[number], "step": steps} for number in known}
    return {
        "state": plain,
        "param_groups": [{**group, "fused": None} for group in saved["param_groups"]],
    }


def _as_fused(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    return {**saved, "param_groups": [{**group, "fused": True} for group in saved["param_groups"]]}
