"""Between the world and the model: instructions to tokens, actions to tokens and back, pictures to pixel values."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vlatrain.data.augment import augment, draw
from vlatrain.data.batches import Batch
from vlatrain.data.resize import resize
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.images import PixelConstants, normalise
from vlatrain.model.prompt import PromptTokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """Belongs to one base model."""

    model: OpenVLAConfig
    prompts: PromptTokenizer
    actions: ActionTokenizer
    constants: PixelConstants

    @classmethod
    def from_folder(cls, base: Path) -> "Codec":
        """Raises TrainerError for a folder without a tokenizer or a configuration."""
        model = OpenVLAConfig.from_json_file(base / "config.json")
        return cls(
            model=model,
            prompts=PromptTokenizer(base),
            actions=ActionTokenizer(model.n_action_bins, model.action_vocab_end),
            constants=PixelConstants.from_folder(base),
        )

    def pixels(self, batch: Batch, *, augmentation_seed: int | None, dtype: torch.dtype) -> Tensor:
        """The pictures of a training batch as the model takes them, [B, 6, H, W], on the batch's device."""
        images = resize(batch.images, self.model.image_size)
        if augmentation_seed is not None:
            images = augment(images, draw(augmentation_seed, batch.positions, images.device))
        return normalise(images, self.constants, dtype)
