"""What learns: the model with its adapters, the optimizer over them, and the arithmetic they run in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Sharding
from vlatrain.distributed import Ranks
from vlatrain.errors import ConfigError
from vlatrain.method.live import LiveMethod
from vlatrain.model.checkpoint_files import Progress, load_base
from vlatrain.model.lora import add_lora, load_adapter
from vlatrain.model.lora_targets import dead_prefixes
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.quantising import quantise
from vlatrain.model.recomputing import recompute
from vlatrain.train.averages import Averages
from vlatrain.train.sharding import shard

DTYPES = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16, Precision.FP32: torch.float32}


@dataclass(frozen=True, slots=True)
class Learner:
    """`wrapped` is what training calls (it averages gradients over ranks), `vla` the same model bare.

    `method` steers the gradients; None is plain training. With `is_sharded` every pass is a collective of all ranks.
    """

    vla: OpenVLA
    adapted: PeftModel | None
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    averages: Averages
    device: torch.device
    dtype: torch.dtype
    method: LiveMethod | None = None
    is_sharded: bool = False

    def arithmetic(self) -> AbstractContextManager[Any]:
        """The context of every forward pass."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def without_averaging(self, *, unless: bool) -> AbstractContextManager[Any]:
        """Leaves gradients on this rank until the last micro-batch of a step."""
        if unless or not isinstance(self.wrapped, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[Any] = self.wrapped.no_sync()
        return context

    def told(self, ranks: Ranks, step: int) -> dict[str, float]:
        """What is logged of the passes since the last log, by name. Collective; raises TrainingError for a NaN loss."""
        told = self.averages.means(ranks, step)
        self.averages.clear()
        if self.method is not None:
            told |= self.method.metrics()
            self.method.clear()
        return told

    @property
    def trained(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def build_learner(
    config: FinetuneConfig,
    base: Path,
    adapter: Path | None,
    ranks: Ranks,
    device: torch.device,
    progress: Progress = lambda done, total: None,
) -> Learner:
    """Loads the base model and makes, or loads from the folder `adapter`, what is trained on it.

    Without LoRA everything that reaches the loss is trained, in fp32 weights; `adapter` is then a whole model's folder.
    `progress` is told the bytes loaded and in all.
    Raises TrainerError for files that do not fit.
    """
    dtype = compute_dtype(config.precision, device)
    is_whole = adapter is not None and not config.use_lora
    is_sharded = config.sharding is Sharding.FULL and ranks.world_size > 1
    folder = adapter if is_whole and adapter else base
    if config.use_quantization:
        check_trains_in_4_bits(device)
    kept_dtype = dtype if config.use_lora else torch.float32
    if is_sharded or config.use_quantization:
        vla = load_base(folder, "cpu", kept_dtype, progress, is_mapped=True)
    else:
        vla = load_base(folder, device, kept_dtype, progress)
    if config.use_quantization:
        quantise(vla, device, dtype)
    adapted = _adapted(config, vla, adapter) if config.use_lora else None
    if adapted is None:
        _train_all_that_lives(vla)
    recompute(vla, config.activation_checkpointing)
    if is_sharded:
        shard(vla, ranks, device)
    model: nn.Module = adapted or vla
    model.to(device).train()
    optimizer = torch.optim.AdamW(_trainable(model), lr=config.learning_rate, weight_decay=config.weight_decay)
    return Learner(
        vla=vla,
        adapted=adapted,
        wrapped=model if is_sharded else _averaged(model, ranks, device),
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=dtype is torch.float16),
        averages=Averages(device),
        device=device,
        dtype=dtype,
        is_sharded=is_sharded,
    )


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """bf16 where the card has it, else fp16, and fp32 on the CPU, unless told otherwise. Raises ConfigError."""
    has_bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if precision is Precision.BF16 and not has_bf16:
        name = torch.cuda.get_device_name(device)
        raise ConfigError(f"--precision bf16: {name} has no bf16 arithmetic; take fp16 or auto", "precision")
    if precision is Precision.FP16 and device.type == "cpu":
        raise ConfigError("--precision fp16: not on the CPU; take fp32, bf16 or auto", "precision")
    if precision is not Precision.AUTO:
        return DTYPES[precision]
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if has_bf16 else torch.float16


def check_trains_in_4_bits(device: torch.device) -> None:
    """On a CPU bitsandbytes repacks weights when they are first asked outside training; gradients are wrong then.

    Raises ConfigError.
    """
    if device.type == "cpu":
        raise ConfigError("--use_quantization true: a base model in 4 bits trains on GPUs only", "use_quantization")


def _adapted(config: FinetuneConfig, vla: OpenVLA, adapter: Path | None) -> PeftModel:
    if adapter is not None:
        return load_adapter(vla, adapter, config.lora_dropout)
    return add_lora(vla, config.lora_rank, config.lora_alpha, config.lora_dropout, config.seed)


def _train_all_that_lives(vla: OpenVLA) -> None:
    """Parameters that never get a gradient stay out: the ranks would wait for it."""
    dead = dead_prefixes(vla)
    for name, parameter in vla.named_parameters():
        parameter.requires_grad_(not name.startswith(dead))


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _averaged(model: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """All ranks read the same files and draw the same adapters, so nothing needs to be sent at the start."""
    if ranks.world_size == 1:
        return model
    return DistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        gradient_as_bucket_view=True,
        init_sync=False,
    )
