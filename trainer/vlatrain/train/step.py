"""One optimizer update: micro-batches forward and backward, gradients averaged over ranks, one move of the weights."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from vlad.records import failpoints

from vlatrain.configuration.finetune import FinetuneConfig, LrScheduler
from vlatrain.data.augment import augment, draw
from vlatrain.data.batches import Batch
from vlatrain.data.resize import resize
from vlatrain.fast.feeding import Inputs, with_few_widths
from vlatrain.fast.pictures import Look
from vlatrain.model.codec import Codec
from vlatrain.model.images import normalise, on_device
from vlatrain.model.openvla import ActionLogits
from vlatrain.train.learner import Learner
from vlatrain.train.state import learning_rate


def train_step(learner: Learner, inputs: Iterator[Inputs], codec: Codec, config: FinetuneConfig, step: int) -> None:
    """The update that follows `step` finished ones."""
    if learner.method is not None:
        learner.method.before_step(step)
    for group in learner.optimizer.param_groups:
        group["lr"] = rate_at(step, config)
    for number in range(1, config.grad_accumulation_steps + 1):
        is_last = number == config.grad_accumulation_steps
        failpoints.reach(f"micro_batch_{step + 1}_{number}")
        with learner.without_averaging(unless=is_last):
            forward_backward(learner, next(inputs), codec, config)
    learner.average_gradients()
    _update(learner, config.max_grad_norm)
    if learner.ema is not None:
        learner.ema.follow(step)


def rehearse(learner: Learner, batch: Batch, codec: Codec, config: FinetuneConfig) -> None:
    """One pass forward and backward that trains nothing. To be called before generators are seeded or restored.

    DDP rearranges its buckets after its first backward pass, and the arrangement decides the order of the sums over
    more than two ranks: without this, the first step after a resume would differ in its last bits.
    """
    forward_backward(learner, model_inputs(learner, batch, codec, config), codec, config)
    learner.forget_gradients()
    learner.averages.clear()
    if learner.method is not None:
        learner.method.clear()


def rate_at(step: int, config: FinetuneConfig) -> float:
    """The learning rate of the update that follows `step` finished ones."""
    return learning_rate(
        step,
        peak=config.learning_rate,
        lowest=config.min_learning_rate,
        warmup_steps=config.lr_warmup_steps,
        max_steps=config.max_steps,
        is_cosine=config.lr_scheduler is LrScheduler.COSINE,
    )


def model_inputs(learner: Learner, batch: Batch, codec: Codec, config: FinetuneConfig) -> dict[str, Tensor]:
    """A batch as the model takes it, augmented, on the model's device."""
    if learner.graphs is not None:
        batch = with_few_widths(batch, codec.prompts.pad_token_id, learner.text_width)
    batch = batch.to(learner.device)
    seed = config.seed if config.image_aug else None
    pixel_values = pixels(batch, codec, augmentation_seed=seed, dtype=learner.dtype, look=learner.look)
    inputs = {"pixel_values": pixel_values, "input_ids": batch.input_ids, "labels": batch.labels}
    return inputs if batch.states is None else inputs | {"states": batch.states}


def forward_backward(learner: Learner, inputs: Inputs, codec: Codec, config: FinetuneConfig) -> None:
    """Adds one micro-batch to the gradients and to the averages."""
    if learner.method is not None:
        learner.method.before_pass(learner.scaler)
    learner.averages.count_one()
    one_pass = partial(_pass, learner, codec, config)
    if learner.graphs is None:
        one_pass(inputs)
    else:
        learner.graphs.run(inputs, one_pass, learner.changed_by_passes)


def _pass(learner: Learner, codec: Codec, config: FinetuneConfig, inputs: Inputs) -> None:
    """The device's part of it, which can be captured: it asks the device for nothing, and keeps to tensors."""
    if learner.shadows is not None:
        learner.shadows.follow()
    with learner.arithmetic():
        out: ActionLogits = learner.wrapped(**inputs)
        loss = out.loss(codec.actions, config.soft_target_bins)
    others = () if out.proprio_loss is None else (out.proprio_loss,)
    learner.averages.add(loss, *out.metrics(codec.actions), *others)
    if out.proprio_loss is not None:
        loss = loss + config.proprio_loss_weight * out.proprio_loss
    learner.scaler.scale(loss / config.grad_accumulation_steps).backward()  # type: ignore[no-untyped-call]  # torch's gap
    if learner.shadows is not None and learner.gradients is not None:
        learner.shadows.gather(learner.gradients)


def pixels(
    batch: Batch, codec: Codec, *, augmentation_seed: int | None, dtype: torch.dtype, look: Look | None = None
) -> Tensor:
    """The pictures of a batch as the model takes them, [B, 6 a picture, H, W], on the batch's device.

    `look` augments and normalises in one, where there is one.
    """
    prepared = []
    for number, images in enumerate([batch.images] if batch.wrists is None else [batch.images, batch.wrists]):
        images = resize(images, codec.image_size)
        if augmentation_seed is None:
            prepared.append(normalise(images, codec.constants, dtype))
            continue
        draws = draw(augmentation_seed, batch.positions, images.device, number)
        if look is None:
            prepared.append(normalise(augment(images, draws), codec.constants, dtype))
        else:
            prepared.append(look(images, draws, *on_device(codec.constants, images.device), dtype))
    return torch.cat(prepared, dim=1) if len(prepared) > 1 else prepared[0]


def _update(learner: Learner, max_grad_norm: float | None) -> None:
    if max_grad_norm is not None:
        learner.scaler.unscale_(learner.optimizer)
        torch.nn.utils.clip_grad_norm_(learner.trained, max_grad_norm)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    learner.forget_gradients()
