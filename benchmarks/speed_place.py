"""Where `gpu_bench.py` measures: the published 7B on a GPU; or, to try the script out, a tiny model on a CPU."""

import gc
from typing import Any

import torch
from gpu_models import random_7b, small_config, small_model
from vlatrain.configuration.speed import Switch
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.openvla import OpenVLA

IS_TRIAL = not torch.cuda.is_available()
DEVICE = torch.device("cpu") if IS_TRIAL else torch.device("cuda", 0)
SMALL_BATCH = 2 if IS_TRIAL else 16
DTYPE = torch.float32 if IS_TRIAL else torch.bfloat16


def model_config() -> OpenVLAConfig:
    return small_config() if IS_TRIAL else OpenVLAConfig()


def random_model() -> OpenVLA:
    """With random weights, on the current device, in the type of the passes."""
    return small_model() if IS_TRIAL else random_7b()


def possible(settings: dict[str, Any]) -> dict[str, Any]:
    """On a CPU no lever can be demanded."""
    demanded = {name: Switch.AUTO for name, value in settings.items() if value is Switch.ON}
    return {**settings, **demanded} if IS_TRIAL else settings


def wait() -> None:
    """Until the device has done everything."""
    if not IS_TRIAL:
        torch.cuda.synchronize()


def release() -> None:
    gc.collect()
    if not IS_TRIAL:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def held_bytes() -> int:
    """All memory of this process on the device at its largest moment since `release`, the driver's part included."""
    if IS_TRIAL:
        return 0
    free, total = torch.cuda.mem_get_info()
    return total - free - torch.cuda.memory_reserved() + torch.cuda.max_memory_reserved()
