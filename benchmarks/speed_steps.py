"""Times of training steps: public libraries in a plain loop, and ours with and without its levers."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from reference_model import Reference
from reference_stack import reference_step
from speed_place import DEVICE, DTYPE, IS_TRIAL, held_bytes, model_config, possible, random_model, release
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.speed import BasePrecision, Switch
from vlatrain.data.batches import IGNORED, Batch
from vlatrain.distributed import Ranks
from vlatrain.fast.feeding import Feed, common_width
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.codec import Codec
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.images import PUBLISHED
from vlatrain.model.lora_targets import TargetSet, targets
from vlatrain.model.openvla import OpenVLA
from vlatrain.train.learner import Learner, learner_of
from vlatrain.train.step import model_inputs, train_step

TEXT_TOKENS = 34
UNEQUAL = tuple("-" * count for count in range(26, 43))
"""Texts of so many tokens"""
REFERENCE_TFLOP_A_SAMPLE = 8.84
"""Of the published class, batch 16: the yardstick for both sides, whatever they really compute."""

Step = Callable[[], None]


@dataclass(frozen=True)
class Contender:
    """One way to train; `settings` are of our configuration, None is the reference."""

    name: str
    settings: dict[str, Any] | None


OFF = {"fused_lora": Switch.OFF, "compile": Switch.OFF, "cuda_graph": Switch.OFF}
IN_FP8 = {"base_precision": BasePrecision.FP8}
GROUPED, UNGROUPED = {"grouped_lora": Switch.ON}, {"grouped_lora": Switch.OFF}
REFERENCE = Contender("reference", None)
PLAIN = Contender("plain", OFF)
BF16 = Contender("bf16", {})
FP8 = Contender("fp8", IN_FP8)
BF16_NOT_JOINT = Contender("bf16, not joint", {"joint_gradients": Switch.OFF})
BF16_UNGROUPED = Contender("bf16, not grouped", UNGROUPED)
NO_KERNELS = {**IN_FP8, "fp8_kernels": Switch.OFF}
FP8_NO_KERNELS = Contender("fp8, no kernels", NO_KERNELS)
FP8_GROUPED = Contender("fp8, grouped", {**NO_KERNELS, **GROUPED})


@dataclass(frozen=True)
class Setting:
    """What is trained on."""

    batch: int
    has_equal_texts: bool = True


def measured(
    contender: Contender, setting: Setting, steps: int = 8, warm_up: int = 4, batches: Iterator[Batch] | None = None
) -> dict[str, Any]:
    """Seconds of `steps` steps, and the memory that the process holds at its largest moment while it trains."""
    release()
    started = time.monotonic()
    step = step_of(contender, setting, batches=batches)
    times = []
    for number in range(warm_up + steps if setting.has_equal_texts else 8 + steps):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
        if number == 0:
            first_s = time.monotonic() - started
    return told(contender, setting, times[-steps:], held_bytes()) | {"to_first_step_s": first_s}


def step_of(
    contender: Contender, setting: Setting, device: torch.device = DEVICE, batches: Iterator[Batch] | None = None
) -> Step:
    """On `batches`, or on some that are in memory already."""
    config = FinetuneConfig(batch_size=setting.batch, **possible(contender.settings or {}))
    codec = codec_7b(model_config())
    batches = batches or endless([*made_batches(setting)])
    if contender.settings is None:
        return _reference(codec, config, batches)
    learner = learner_of(random_model(), config, None, Ranks(), device)
    release()  # a run reads its weights from files, and never has them on the device in two types
    if not setting.has_equal_texts:
        learner = replace(learner, text_width=common_width(UNEQUAL, len, model_config().n_patches))
    return our_step(learner, batches, codec, config)


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


def our_step(learner: Learner, batches: Iterator[Batch], codec: Codec, config: FinetuneConfig) -> Step:
    """As the training loop does it with log_every_steps 1: losses are read when the next step is under way."""
    feed = Feed(batches, lambda batch: model_inputs(learner, batch, codec, config), learner.device)
    taken = learner.averages.taken()

    def step() -> None:
        nonlocal taken
        train_step(learner, feed, codec, config, 1)
        feed.look_ahead()
        taken.wait()
        taken = learner.averages.taken()

    return step


def _reference(codec: Codec, config: FinetuneConfig, batches: Iterator[Batch]) -> Step:
    adapted = adapted_reference(config).train()
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    release()
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate)

    def step() -> None:
        reference_step(adapted, optimizer, next(batches), codec, DTYPE, DEVICE)

    return step


def bare_reference() -> Reference:
    """The model of public libraries; towers are transformers' where timm is not installed."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPE)
    with DEVICE:
        reference = Reference(model_config(), "transformers" if IS_TRIAL else "timm")
    torch.set_default_dtype(before)
    return reference


def adapted_reference(config: FinetuneConfig) -> Any:
    with torch.device("meta"):
        names = targets(OpenVLA(model_config()), TargetSet.LIVE)
    return bare_reference().adapted(names, config.lora_rank, min(config.lora_rank, 16)).to(DEVICE)


def codec_7b(config: OpenVLAConfig | None = None) -> Codec:
    """The published one, or another model's, without its tokenizer: texts are made of random tokens."""
    config = config or OpenVLAConfig()
    prompts: Any = SimpleNamespace(pad_token_id=config.pad_token_id)
    actions = ActionTokenizer(config.n_action_bins, config.action_vocab_end)
    return Codec(prompts=prompts, actions=actions, constants=PUBLISHED, image_size=config.image_size)


def made_batches(setting: Setting, count: int = 8, seed: int = 3) -> Iterator[Batch]:
    """Pinned batches: pictures of 256 x 256, texts of TEXT_TOKENS, or of 26 to 42."""
    rng = np.random.default_rng(seed)
    config = model_config()
    for number in range(count):
        images = rng.integers(0, 256, (setting.batch, 256, 256, 3), dtype=np.uint8)
        equal = np.full(setting.batch, TEXT_TOKENS)
        lengths = equal if setting.has_equal_texts else rng.choice(list(map(len, UNEQUAL)), setting.batch)
        ids = torch.full((setting.batch, int(lengths.max())), config.pad_token_id)
        labels = torch.full_like(ids, IGNORED)
        for row, length in enumerate(lengths):
            ids[row, :length] = torch.from_numpy(rng.integers(3, config.action_vocab_end, length))
            labels[row, length - 8 : length] = ids[row, length - 8 : length]
        positions = np.arange(number * setting.batch, (number + 1) * setting.batch)
        made = Batch(torch.from_numpy(images), ids, labels, torch.from_numpy(lengths), positions)
        yield made if IS_TRIAL else made.pinned()


def endless(batches: list[Batch]) -> Iterator[Batch]:
    while True:
        yield from batches
