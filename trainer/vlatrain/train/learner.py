"""What learns: the model with its adapters, the optimizer over them, and the arithmetic they run in."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
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
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.grouping import group
from vlatrain.fast.levers import PLAIN, Arithmetic, Levers, Place, levers
from vlatrain.fast.optimizer import adamw
from vlatrain.fast.pass_graphs import PassGraphs, flat_gradients
from vlatrain.fast.pictures import Look, compiled_look
from vlatrain.fast.shadows import Shadows, adapters_of
from vlatrain.fast.streams import side_stream
from vlatrain.method.live import LiveMethod
from vlatrain.model.arithmetic import arithmetic
from vlatrain.model.checkpoint_files import Progress, load_base
from vlatrain.model.fp8 import check_has_fp8, to_fp8
from vlatrain.model.lora import add_lora, load_adapter
from vlatrain.model.lora_targets import dead_prefixes
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.proprio_head import Lesson, ProprioHead
from vlatrain.model.quantising import quantise
from vlatrain.train.averages import NAMES, PROPRIO, Averages
from vlatrain.train.ema import Ema
from vlatrain.train.sharding import average, average_gradients, shard

DTYPES = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16, Precision.FP32: torch.float32}
ARITHMETICS = {dtype: Arithmetic(precision) for precision, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Learner:
    """`wrapped` is what training calls (it averages gradients over ranks), `vla` the same model bare.

    `method` steers the gradients; None is plain training. With `is_sharded` every pass is a collective of all ranks.
    Captured passes add to `gradients`, which holds those of all parameters, and then `wrapped` averages nothing; they
    compute with the adapters' `shadows`. With an `ema` its means are what is evaluated and saved. A `proprio_head` is
    the last group of the optimizer, and nothing that is evaluated or exported. Pictures go through `look`, where there
    is one, and else operator by operator. Texts of captured passes are padded to `text_width`, where it is not 0.
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
    levers: Levers = PLAIN
    graphs: PassGraphs | None = None
    gradients: Tensor | None = None
    shadows: Shadows | None = None
    ema: Ema | None = None
    proprio_head: ProprioHead | None = None
    look: Look | None = None
    text_width: int = 0

    def arithmetic(self) -> AbstractContextManager[Any]:
        """The context of every forward pass."""
        return arithmetic(self.vla, self.device, self.dtype)

    def without_averaging(self, *, unless: bool) -> AbstractContextManager[Any]:
        """Leaves gradients on this rank until the last micro-batch of a step."""
        if unless or not isinstance(self.wrapped, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[Any] = self.wrapped.no_sync()
        return context

    def average_gradients(self) -> None:
        """Over the ranks, where `wrapped` does not. Collective."""
        if self.gradients is not None:
            average(self.gradients)
        elif self.is_sharded:
            average_gradients(self.trained)

    def forget_gradients(self) -> None:
        """After an update; captured passes go on adding to the same tensors."""
        if self.gradients is not None:
            self.gradients.zero_()
        else:
            self.optimizer.zero_grad(set_to_none=True)

    def answering(self) -> AbstractContextManager[Any]:
        """Around an evaluation: the weights that shall answer."""
        return nullcontext() if self.ema is None else self.ema.standing_in()

    @property
    def changed_by_passes(self) -> list[Tensor]:
        """All tensors that a pass adds to."""
        own = [self.averages.sums] if self.gradients is None else [self.averages.sums, self.gradients]
        return own if self.method is None else own + self.method.changed_by_passes

    @property
    def is_told_late(self) -> bool:
        """Whether losses are on their way while the next step is made; the method's numbers are read at once."""
        return self.device.type == "cuda" and self.method is None

    def taken(self) -> Callable[[Ranks, int], dict[str, float]]:
        """What is logged of the passes since the last log, by name: to be called when the device has other work.

        Collective; raises TrainingError for a NaN loss.
        """
        taken = self.averages.taken()
        if not self.is_told_late:
            taken.wait()
        steered: dict[str, float] = {}
        if self.method is not None:
            steered = self.method.metrics()
            self.method.clear()
        return lambda ranks, step: taken.means(ranks, step) | steered

    @property
    def trained(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    @property
    def weights(self) -> list[Tensor]:
        """What is trained of the model itself."""
        return [parameter for group in self.groups for parameter in group["params"]]

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The optimizer's, but for the head's."""
        return self.optimizer.param_groups[: None if self.proprio_head is None else -1]


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
    folder = adapter if is_whole and adapter else base
    if config.has_nf4_base:
        check_trains_in_4_bits(device)
    if config.has_fp8_base:
        check_has_fp8(device)
    kept_dtype = dtype if config.use_lora else torch.float32
    is_shrunk = config.has_nf4_base or config.has_fp8_base or _is_sharded(config, ranks)
    if is_shrunk:
        vla = load_base(folder, "cpu", kept_dtype, progress, is_mapped=True)
    else:
        vla = load_base(folder, device, kept_dtype, progress)
    return learner_of(vla, config, adapter, ranks, device)


def learner_of(
    vla: OpenVLA, config: FinetuneConfig, adapter: Path | None, ranks: Ranks, device: torch.device
) -> Learner:
    """As `build_learner`, of a base model that is loaded: on `device`, or on the CPU where not all of it goes there."""
    dtype = compute_dtype(config.precision, device)
    used = levers(config, place_of(device, dtype, ranks))
    is_sharded = _is_sharded(config, ranks)
    if config.has_nf4_base:
        quantise(vla, device, dtype)
    adapted = _adapted(config, vla, adapter, is_fused=used.fused_lora) if config.use_lora else None
    if adapted is None:
        _train_all_that_lives(vla)
    if config.has_fp8_base:
        to_fp8(vla, device)
    vla.recompute(config.activation_checkpointing)
    if is_sharded:
        shard(vla, ranks, device)
    model: nn.Module = adapted or vla
    head = ProprioHead(vla.config.text.hidden_size, config.seed) if config.foretells_proprio else None
    model = model if head is None else Lesson(model, head)
    model.to(device).train()
    if used.compile:
        compile_blocks(vla, is_whole=not config.use_lora)
    if used.cuda_graph:
        vla.vision_backbone.side_stream = side_stream(device)
    gradients = flat_gradients(_adapters_first(model)) if used.cuda_graph else None
    shadows = Shadows(vla, dtype) if used.cuda_graph and used.fused_lora else None
    if shadows is not None and used.grouped_lora:
        group(vla, shadows, has_joint_gradients=used.joint_gradients, has_fp8_kernels=used.fp8_kernels)
    optimizer = adamw(_trainable(adapted or vla), config.learning_rate, config.weight_decay, device)
    if head is not None:
        optimizer.add_param_group({"params": list(head.named_parameters())})
    learner = Learner(
        vla=vla,
        adapted=adapted,
        wrapped=model if is_sharded or used.cuda_graph else _averaged(model, ranks, device),
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=dtype is torch.float16),
        averages=Averages(device, NAMES if head is None else (*NAMES, PROPRIO)),
        device=device,
        dtype=dtype,
        is_sharded=is_sharded,
        levers=used,
        graphs=PassGraphs() if used.cuda_graph else None,
        gradients=gradients,
        shadows=shadows,
        proprio_head=head,
        look=compiled_look() if used.compile and not config.use_lora else None,
    )
    return replace(learner, ema=Ema.of(learner.weights, config.ema_decay)) if config.ema_decay else learner


def _adapters_first(model: nn.Module) -> list[nn.Parameter]:
    """Everything that is trained; what has shadows stands together."""
    adapters = adapters_of(model)
    known = {id(one) for one in adapters}
    return adapters + [one for _, one in _trainable(model) if id(one) not in known]


def _is_sharded(config: FinetuneConfig, ranks: Ranks) -> bool:
    return config.sharding is Sharding.FULL and ranks.world_size > 1


def place_of(device: torch.device, dtype: torch.dtype, ranks: Ranks) -> Place:
    """What the choice of levers depends on."""
    return Place(
        arithmetic=ARITHMETICS[dtype],
        capability=torch.cuda.get_device_capability(device) if device.type == "cuda" else None,
        has_triton=find_spec("triton") is not None,
        has_c_compiler=any(map(shutil.which, ("cc", "gcc", "clang"))),
        world_size=ranks.world_size,
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


def _adapted(config: FinetuneConfig, vla: OpenVLA, adapter: Path | None, *, is_fused: bool) -> PeftModel:
    if adapter is not None:
        return load_adapter(vla, adapter, config.lora_dropout, is_fused=is_fused)
    rank, alpha, dropout = config.lora_rank, config.lora_alpha, config.lora_dropout
    return add_lora(vla, rank, alpha, dropout, config.seed, is_fused=is_fused)


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
