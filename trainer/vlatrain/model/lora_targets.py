"""Which modules get a LoRA, by their full names: never PEFT's "all-linear", whose meaning changes between versions."""

import re
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum

from torch import nn

from vlatrain.model.openvla import OpenVLA

LM_HEAD = "language_model.lm_head"


class TargetSet(StrEnum):
    """LIVE: every linear that learns, without the head. PUBLISHED: what the original script trained under its pinned
    PEFT, that is every linear with the head, both patch convolutions, and modules that never get a gradient."""

    LIVE = "live"
    PUBLISHED = "published"


def targets(model: OpenVLA, target_set: TargetSet) -> list[str]:
    """Full names of the modules to adapt, in the model's order."""
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if target_set is TargetSet.PUBLISHED:
        return linears + [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    dead = dead_prefixes(model)
    return [name for name in linears if name != LM_HEAD and not name.startswith(dead)]


def dead_prefixes(model: OpenVLA) -> tuple[str, ...]:
    """Beginnings of the names that never get a gradient: the last block of each tower and the attention pools."""
    depths = {"featurizer": model.config.featurizer.depth, "fused_featurizer": model.config.fused_featurizer.depth}
    towers = {f"vision_backbone.{name}": depth for name, depth in depths.items()}
    return tuple(
        prefix
        for tower, depth in towers.items()
        for prefix in (f"{tower}.blocks.{depth - 1}.", f"{tower}.norm.", f"{tower}.attn_pool.")
    )


def pattern(names: Iterable[str]) -> str:
    """A regular expression that matches exactly `names`: layers of the same kind share one alternative.

    PEFT takes it with `fullmatch`, writes it to adapter_config.json, and every PEFT version reads it the same way.
    """
    numbers: dict[tuple[str, str], list[str]] = defaultdict(list)
    plain = []
    for name in names:
        if numbered := re.fullmatch(r"(.*?\.)(\d+)(\..*)", name):
            before, number, after = numbered.groups()
            numbers[before, after].append(number)
        else:
            plain.append(re.escape(name))
    suffixes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (before, after), found in numbers.items():
        suffixes[before, "|".join(found)].append(re.escape(after))
    layers = [f"{re.escape(before)}({found})({'|'.join(after)})" for (before, found), after in suffixes.items()]
    return "|".join(layers + plain)
