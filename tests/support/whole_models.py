"""A small model with two pictures, the hand's state and chunks of actions, trained whole, for tests on any device."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from gpu_models import small_config
from torch import Tensor
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.batches import IGNORED, Batch
from vlatrain.distributed import Ranks
from vlatrain.fast.feeding import Feed
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.codec import Codec
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.images import PUBLISHED
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import OpenVLA
from vlatrain.train.learner import Learner, learner_of
from vlatrain.train.step import forward_backward, model_inputs, train_step

ROWS, TEXT, CHUNK, STATE = 4, 25, 2, 8  # of texts 24 places are read, and none is added by a lever
SETTINGS: dict[str, Any] = {
    "use_lora": False,
    "use_wrist_image": True,
    "use_proprio": True,
    "soft_target_bins": 2.0,
    "action_chunk": CHUNK,
    "ema_decay": 0.9,
    "learning_rate": 1e-3,
    "max_grad_norm": 1.0,
    "grad_accumulation_steps": 2,
    "image_aug": False,
}


def whole_config() -> OpenVLAConfig:
    return replace(small_config(), pictures=2, state_size=STATE, chunk=CHUNK)


def codec() -> Codec:
    """Without its tokenizer: texts are made of random tokens."""
    config = whole_config()
    prompts: Any = SimpleNamespace(pad_token_id=config.pad_token_id)
    actions = ActionTokenizer(config.n_action_bins, config.action_vocab_end)
    return Codec(prompts=prompts, actions=actions, constants=PUBLISHED, image_size=config.image_size)


def made_batches() -> Iterator[Batch]:
    """Answers begin at places of their own in each row, and end with an end token."""
    config = whole_config()
    for seed in range(10):
        draws = np.random.default_rng(seed)
        images, wrists = torch.from_numpy(draws.integers(0, 256, (2, ROWS, 56, 56, 3), dtype=np.uint8))
        ids = torch.from_numpy(draws.integers(3, config.action_vocab_end - 256, (ROWS, TEXT)))
        ids[:, 4:] = torch.from_numpy(
            draws.integers(config.action_vocab_end - 256, config.action_vocab_end, (ROWS, TEXT - 4))
        )
        begins = torch.from_numpy(draws.integers(5, TEXT - 7 * CHUNK - 1, (ROWS, 1)))
        place = torch.arange(TEXT)
        labels = torch.where((place >= begins) & (place <= begins + 7 * CHUNK), ids, IGNORED)
        states = torch.from_numpy(draws.normal(size=(ROWS, STATE)).astype(np.float32))
        yield Batch(images, ids, labels, torch.full((ROWS,), TEXT), np.arange(ROWS), wrists, states)


def whole_learner(device: torch.device, **settings: Any) -> tuple[Learner, FinetuneConfig]:
    """A model of one seed, as training has it."""
    config = FinetuneConfig(**{**SETTINGS, **settings})
    vla = OpenVLA(whole_config())
    initialise(vla, 1)
    return learner_of(vla.to(device), config, None, Ranks(), device), config


def feed(learner: Learner, config: FinetuneConfig) -> Feed:
    return Feed(made_batches(), lambda one: model_inputs(learner, one, codec(), config), learner.device)


def passed(learner: Learner, config: FinetuneConfig, passes: int = 2) -> tuple[float, Tensor]:
    """Sum of losses and all gradients of some micro-batches."""
    inputs = feed(learner, config)
    for _ in range(passes):
        forward_backward(learner, next(inputs), codec(), config)
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in learner.trained]
    return learner.averages.sums[0].item(), torch.cat([one.flatten() for one in gradients])


def stepped(learner: Learner, config: FinetuneConfig, steps: int = 3) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and their means after some steps."""
    inputs = feed(learner, config)
    for step in range(steps):
        train_step(learner, inputs, codec(), config, step)
    assert learner.ema is not None
    return [one.detach().clone() for one in learner.trained], learner.ema.means
