"""Foretelling the hand's state from what the model sees: an exercise of training, and no part of the model."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlatrain.model.config import N_STATES, PROPRIO_LOOKS, PROPRIO_WIDTH
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import ActionLogits

BETA = 0.1  # of the smooth L1: an error above it, a twentieth of the range, counts by its size


class ProprioHead(nn.Module):
    """The hand's state [B, 8], normalised, from the projected patches [B, N, width] of the pictures, in fp32.

    It looks at the patches by a few softmaxes over them and reads what it finds there, as the decoder's attention can:
    that asks the towers for patches that tell where the hand is and how wide it is open.
    """

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.look = nn.Linear(width, PROPRIO_LOOKS)
        self.fc1 = nn.Linear(PROPRIO_LOOKS * width, PROPRIO_WIDTH)
        self.fc2 = nn.Linear(PROPRIO_WIDTH, N_STATES)
        initialise(self, seed)

    def forward(self, patches: Tensor) -> Tensor:
        with torch.autocast(patches.device.type, enabled=False):
            known = self.norm(patches.float())
            found = self.look(known).softmax(dim=1).transpose(1, 2) @ known
            out: Tensor = self.fc2(F.gelu(self.fc1(found.flatten(1))))
            return out


class Lesson(nn.Module):
    """A model, or one with adapters, that also foretells the hand's state: what is called in training."""

    def __init__(self, model: nn.Module, head: ProprioHead) -> None:
        super().__init__()
        self.model = model
        self.head = head

    def forward(self, pixel_values: Tensor, input_ids: Tensor, labels: Tensor, states: Tensor) -> ActionLogits:
        """As the model's; its mean smooth L1 error of the normalised `states` [B, 8] besides."""
        out: ActionLogits = self.model(pixel_values=pixel_values, input_ids=input_ids, labels=labels)
        error = F.smooth_l1_loss(self.head(out.patches), states, beta=BETA)
        return out._replace(proprio_loss=error)
