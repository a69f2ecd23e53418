"""Which device this process computes on, and by which arithmetic."""

import os

import torch

from vlatrain.configuration.finetune import Device, FinetuneConfig
from vlatrain.distributed import Ranks


def chosen_device(device: Device) -> str:
    """auto takes CUDA where there is a GPU."""
    if device is Device.AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.value


def set_arithmetic(config: FinetuneConfig, *, uses_cuda: bool) -> None:
    """Threads and kernels of this process.

    torchrun gives each of several ranks one thread (OMP_NUM_THREADS); a lone rank gets as many as it may use cores.
    """
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    if not uses_cuda and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def device_of(ranks: Ranks, *, uses_cuda: bool) -> torch.device:
    """Of this rank: the card with its number on the host, which becomes the current one."""
    if not uses_cuda:
        return torch.device("cpu")
    torch.cuda.set_device(ranks.local_rank)
    return torch.device("cuda", ranks.local_rank)
