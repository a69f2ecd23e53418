"""The model that is being trained as a policy: pictures and instructions in, actions of the simulator out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vlatrain.data.actions import ActionStatistics, to_environment, unnormalise
from vlatrain.data.batches import pad_right
from vlatrain.data.resize import evaluation_images, jpeg_pass
from vlatrain.evaluate.venue import Observation
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

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        """Actions [B, 7] in the simulator's units. The images get the passes that training images had."""
        device, codec = self.device, self.codec
        seen = torch.from_numpy(np.stack([jpeg_pass(one.image) for one in observations])).to(device)
        resized = evaluation_images(seen, codec.image_size, crop=self.is_cropped)
        rows = [codec.prompts.inference_ids(instruction) for instruction in instructions]
        with torch.autocast(device.type, self.dtype, enabled=self.dtype is not torch.float32):
            ids = self.vla.predict(
                normalise(resized, codec.constants, self.dtype),
                pad_right(rows, codec.prompts.pad_token_id).to(device),
                torch.tensor([len(row) for row in rows], device=device),
            )
        return to_environment(unnormalise(codec.actions.decode(ids.cpu().numpy()), self.statistics))
