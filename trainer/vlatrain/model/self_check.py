"""Proof at start-up that the picture reaches the action: a port that skips vision still answers, only wrongly."""

import torch
from torch import Tensor, nn

from vlatrain.errors import TrainerError
from vlatrain.model.openvla import OpenVLA


def vision_self_check(model: OpenVLA, input_ids: Tensor) -> None:
    """Raises TrainerError unless two pictures give different logits, and an action enters the vision towers once.

    input_ids [T]: one prompt. Draws nothing from the global generator and leaves the model's mode as it was.
    """
    first, second = _two_pictures(model)
    prompt = input_ids.to(first.device)[None]
    was_training = model.training
    model.eval()
    try:
        entered = _count_entries(model, first, prompt)
        differs = not torch.equal(_next_logits(model, first, prompt), _next_logits(model, second, prompt))
    finally:
        model.train(was_training)
    if entered != 1:
        raise TrainerError(
            f"vision self-check: the vision towers were entered {entered} times for one action, not once"
        )
    if not differs:
        raise TrainerError("vision self-check: two different pictures give the same logits, so the model is blind")


def _two_pictures(model: OpenVLA) -> tuple[Tensor, Tensor]:
    parameter = next(model.projector.parameters())
    size = model.config.image_size
    pixels = torch.randn(2, 1, 6 * model.config.pictures, size, size, generator=torch.Generator().manual_seed(7))
    first, second = pixels.to(parameter.device, parameter.dtype)
    return first, second


def _count_entries(model: OpenVLA, pixels: Tensor, prompt: Tensor) -> int:
    entries: list[nn.Module] = []
    hook = model.vision_backbone.register_forward_hook(lambda module, _args, _output: entries.append(module))
    try:
        model.predict(pixels, prompt, torch.tensor([prompt.shape[1]], device=prompt.device), _no_state(model, pixels))
    finally:
        hook.remove()
    return len(entries)


@torch.inference_mode()
def _next_logits(model: OpenVLA, pixels: Tensor, prompt: Tensor) -> Tensor:
    hidden = model.language_model.model(model.embed(pixels, prompt, _no_state(model, pixels)))
    return model.language_model.logits(hidden[:, -1])


def _no_state(model: OpenVLA, pixels: Tensor) -> Tensor | None:
    """A hand in the middle of everything, for a model that sees its state."""
    return pixels.new_zeros(1, model.config.state_size) if model.config.state_size else None
