"""The model that is being trained as a policy: pictures and instructions in, actions of the simulator out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlatrain.data.actions import ACTION_DIM, ActionStatistics, to_environment, unnormalise
from vlatrain.data.actions import normalise as normalise_numbers
from vlatrain.data.batches import pad_right
from vlatrain.data.jpeg import jpeg_pass
from vlatrain.data.resize import evaluation_images
from vlatrain.evaluate.venue import Observation
from vlatrain.fast.answers import Answers
from vlatrain.model.arithmetic import arithmetic
from vlatrain.model.codec import Codec
from vlatrain.model.images import normalise
from vlatrain.model.openvla import OpenVLA


@dataclass(frozen=True, kw_only=True, slots=True)
class LivePolicy:
    """Uses the live model, with its adapters as they are; makes no copy of it."""

    vla: OpenVLA
    codec: Codec
    device: torch.device
    dtype: torch.dtype
    statistics: ActionStatistics
    is_cropped: bool
    state_statistics: ActionStatistics | None = None
    """Of the hand's state, where the model sees it"""
    answers: Answers | None = None
    """What answers instead of the model's own `predict`; it knows how many actions an answer has"""

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        """Actions [B, N, 7] in the simulator's units, N to be executed one after the other; [B, 7] where N is 1.

        The images get the passes that training images had.
        """
        device, codec = self.device, self.codec
        stored = [as_stored(one) for one in observations]
        wrists = [one.wrist for one in stored if one.wrist is not None] if codec.pictures > 1 else []
        pictures = self.prepared([*(one.image for one in stored), *wrists])
        rows = [codec.prompts.inference_ids(instruction) for instruction in instructions]
        with arithmetic(self.vla, device, self.dtype):
            ids = (self.answers or self.vla.predict)(
                torch.cat(torch.chunk(pictures, 2), dim=1) if wrists else pictures,
                pad_right(rows, codec.prompts.pad_token_id).to(device),
                torch.tensor([len(row) for row in rows], device=device),
                self._states(observations),
            )
        decoded = codec.actions.decode(ids.cpu().numpy())
        chunks = decoded if decoded.shape[1] == ACTION_DIM else decoded.reshape(len(decoded), -1, ACTION_DIM)
        return to_environment(unnormalise(chunks, self.statistics))

    def prepared(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Pixel values [B, 6, H, W] of pictures that are as stored."""
        resized = evaluation_images(on_device(images, self.device), self.codec.image_size, crop=self.is_cropped)
        return normalise(resized, self.codec.constants, self.dtype)

    def _states(self, observations: Sequence[Observation]) -> Tensor | None:
        """The hand's states [B, 8] as training has them, for a model that sees them."""
        if not self.codec.state_size:
            return None
        assert self.state_statistics is not None
        states = np.stack([one.state for one in observations if one.state is not None])
        return torch.from_numpy(normalise_numbers(states, self.state_statistics)).to(self.device)


def on_device(images: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
    """The pictures side by side [B, H, W, 3]; a GPU fetches them from page-locked memory, which torch keeps for it."""
    together = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack(images, out=together.numpy())
    return together.to(device, non_blocking=True)


def as_stored(seen: Observation) -> Observation:
    """With pictures as a data set has them; costs about a millisecond each where the simulator has not done it."""
    if seen.is_stored:
        return seen
    wrist = None if seen.wrist is None else jpeg_pass(seen.wrist)
    return seen._replace(image=jpeg_pass(seen.image), wrist=wrist, is_stored=True)
