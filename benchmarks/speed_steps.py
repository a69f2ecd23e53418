"""Times of training steps: public libraries in a plain loop, and ours with and without its levers."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from gpu_models import random_7b
from reference_model import Reference
from reference_stack import reference_step
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.speed import BasePrecision, Switch
from vlatrain.data.batches import IGNORED, Batch
from vlatrain.distributed import Ranks
from vlatrain.fast.feeding import Feed
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.codec import Codec
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.images import PUBLISHED
from vlatrain.model.lora_targets import TargetSet, targets
from vlatrain.model.openvla import OpenVLA
from vlatrain.train.learner import learner_of
from vlatrain.train.step import model_inputs, train_step

TEXT_TOKENS = 34
DEVICE = torch.device("cuda", 0)
REFERENCE_TFLOP_A_SAMPLE = 8.84
"""Of the published class, batch 16: the yardstick for both sides, whatever they really compute."""

Step = Callable[[], None]


@dataclass(frozen=True)
class Contender:
    """One way to train; None is the reference, else settings of our configuration."""

    name: str
    settings: dict[str, Any] | None


OFF = {"fused_lora": Switch.OFF, "compile": Switch.OFF, "cuda_graph": Switch.OFF}
REFERENCE = Contender("reference", None)
PLAIN = Contender("plain", OFF)
BF16 = Contender("bf16", {})
FP8 = Contender("fp8", {"base_precision": BasePrecision.FP8})
LADDER = [
    PLAIN,
    Contender("fused_lora", {**OFF, "fused_lora": Switch.AUTO}),
    Contender("compile", {"cuda_graph": Switch.OFF}),
    BF16,
]


@dataclass(frozen=True)
class Setting:
    """What is trained on."""

    batch: int
    has_equal_texts: bool = True


def measured(
    contender: Contender, setting: Setting, steps: int = 12, warm_up: int = 4, device: torch.device = DEVICE
) -> dict[str, Any]:
    """Seconds of `steps` steps and the memory that the process holds at its largest moment."""
    release()
    torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    config = FinetuneConfig(batch_size=setting.batch, **(contender.settings or {}))
    codec = codec_7b()
    batches = endless([*made_batches(setting)])
    step = _reference(codec, config, batches) if contender.settings is None else _ours(codec, config, batches, device)
    times = []
    for number in range(warm_up + steps if setting.has_equal_texts else 8 + steps):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
        if number == 0:
            first_s = time.monotonic() - started
    free, total = torch.cuda.mem_get_info()
    held = total - free - torch.cuda.memory_reserved() + torch.cuda.max_memory_reserved()
    return told(contender, setting, times[-steps:], held) | {"to_first_step_s": first_s}


def told(contender: Contender, setting: Setting, times: list[float], held: int) -> dict[str, Any]:
    median = statistics.median(times)
    low, _, high = statistics.quantiles(times, n=4)
    return {
        "who": contender.name,
        "batch": setting.batch,
        "texts": "equal" if setting.has_equal_texts else "unequal",
        "step_s": median,
        "quartiles_s": [low, high],
        "samples_per_s": setting.batch / median,
        "reference_tflop_per_s": setting.batch * REFERENCE_TFLOP_A_SAMPLE / median,
        "held_gb": held / 1e9,
    }


def line(found: dict[str, Any]) -> str:
    low, high = found["quartiles_s"]
    return (
        f"{found['who']:>10} batch {found['batch']:>2} {found['texts']:>7} texts: {found['step_s']:.4f} s/step "
        f"({low:.4f} to {high:.4f}), {found['samples_per_s']:.1f} samples/s, "
        f"{found['reference_tflop_per_s']:.0f} TFLOP/s, {found['held_gb']:.1f} GB held, "
        f"first step after {found['to_first_step_s']:.0f} s"
    )


def _ours(codec: Codec, config: FinetuneConfig, batches: Iterator[Batch], device: torch.device = DEVICE) -> Step:
    """As the training loop does it with log_every_steps 1: losses are read after each step."""
    learner = learner_of(random_7b(), config, None, Ranks(), device)
    feed = Feed(batches, lambda batch: model_inputs(learner, batch, codec, config), device)

    def step() -> None:
        train_step(learner, feed, codec, config, 1)
        feed.look_ahead()
        learner.told(Ranks(), 1)

    return step


def _reference(codec: Codec, config: FinetuneConfig, batches: Iterator[Batch]) -> Step:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with DEVICE:
        reference = Reference(OpenVLAConfig(), "timm")
    torch.set_default_dtype(before)
    with torch.device("meta"):
        names = targets(OpenVLA(OpenVLAConfig()), TargetSet.LIVE)
    adapted = reference.adapted(names, config.lora_rank, min(config.lora_rank, 16)).to(DEVICE).train()
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate)

    def step() -> None:
        reference_step(adapted, optimizer, next(batches), codec, torch.bfloat16, DEVICE)

    return step


def codec_7b(config: OpenVLAConfig | None = None) -> Codec:
    """The published one, or another model's, without its tokenizer: texts are made of random tokens."""
    config = config or OpenVLAConfig()
    prompts: Any = SimpleNamespace(pad_token_id=config.pad_token_id)
    actions = ActionTokenizer(config.n_action_bins, config.action_vocab_end)
    return Codec(prompts=prompts, actions=actions, constants=PUBLISHED, image_size=config.image_size)


def made_batches(setting: Setting, count: int = 8, seed: int = 3) -> Iterator[Batch]:
    """Pinned batches: pictures of 256 x 256, texts of TEXT_TOKENS, or of 26 to 42."""
    rng = np.random.default_rng(seed)
    config = OpenVLAConfig()
    for number in range(count):
        images = rng.integers(0, 256, (setting.batch, 256, 256, 3), dtype=np.uint8)
        equal = np.full(setting.batch, TEXT_TOKENS)
        lengths = equal if setting.has_equal_texts else rng.integers(26, 43, setting.batch)
        ids = torch.full((setting.batch, int(lengths.max())), config.pad_token_id)
        labels = torch.full_like(ids, IGNORED)
        for row, length in enumerate(lengths):
            ids[row, :length] = torch.from_numpy(rng.integers(3, config.action_vocab_end, length))
            labels[row, length - 8 : length] = ids[row, length - 8 : length]
        positions = np.arange(number * setting.batch, (number + 1) * setting.batch)
        yield Batch(torch.from_numpy(images), ids, labels, torch.from_numpy(lengths), positions).pinned()


def endless(batches: list[Batch]) -> Iterator[Batch]:
    while True:
        yield from batches


def release() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def profiled(contender: Contender, setting: Setting, rows: int = 40) -> list[dict[str, Any]]:
    """The kernels of one step by their time."""
    release()
    config = FinetuneConfig(batch_size=setting.batch, **(contender.settings or {}))
    step = _ours(codec_7b(), config, endless([*made_batches(setting)]))
    for _ in range(4):
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
    kernels = [one for one in profile.key_averages() if one.self_device_time_total > 0]
    kernels.sort(key=lambda one: -one.self_device_time_total)
    total = sum(one.self_device_time_total for one in kernels)
    print(f"profile of {contender.name}: {total / 1e3:.1f} ms in kernels, {sum(k.count for k in kernels)} kernels")
    found = [{"kernel": k.key, "ms": k.self_device_time_total / 1e3, "count": k.count} for k in kernels[:rows]]
    for one in found:
        print(f"{one['ms']:9.2f} ms {one['count']:6} x {one['kernel'][:150]}")
    return found
