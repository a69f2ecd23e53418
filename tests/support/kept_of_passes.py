"""What one pass of the trainer keeps for the pass backward, whatever is trained and whatever the model sees."""

from typing import Any

import torch
from kept_bytes import kept_bytes
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.data.actions import STATE_DIM
from vlatrain.data.batches import IGNORED
from vlatrain.distributed import Ranks
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import OpenVLA
from vlatrain.planning.sizes import sizes_of
from vlatrain.train.learner import Learner, learner_of


class NormsOfGpus(TorchFunctionMode):
    """Norms over channels as autocast computes them on GPUs, in fp32; on CPUs it leaves them in 16 bits."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not F.layer_norm or not torch.is_autocast_enabled("cpu"):
            return function(*args, **(kwargs or {}))
        with torch.autocast("cpu", enabled=False):
            return function(args[0].float(), *args[1:], **(kwargs or {}))


def kept_of_a_pass(model: OpenVLAConfig, config: FinetuneConfig, device: str = "cpu") -> int:
    """Bytes, casts of what is trained included, of a model with random weights."""
    vla = OpenVLA(model)
    initialise(vla, 1)
    vla.to(device, torch.bfloat16 if config.use_lora and config.precision is Precision.BF16 else torch.float32)
    learner = learner_of(vla, config, None, Ranks(), torch.device(device))

    def run() -> tuple[Tensor, Any]:
        with NormsOfGpus(), learner.arithmetic():
            out = learner.wrapped(**_inputs(model, learner, config.batch_size))
            return out.loss(), out

    if learner.levers.compile:
        run()  # what is compiled is kept by nobody
    return kept_bytes(learner.wrapped, run)


def _inputs(model: OpenVLAConfig, learner: Learner, rows: int) -> dict[str, Tensor]:
    """Texts as long as the plan takes them to be, and one place more, which is not read."""
    length, answer = sizes_of(model).text_tokens + 1, model.action_dim * model.chunk + 1
    ids = torch.arange(3, 3 + length).remainder(model.action_vocab_end).expand(rows, -1)
    labels = torch.where(torch.arange(length) < length - answer, IGNORED, ids)
    pixels = torch.zeros(rows, 6 * model.pictures, model.image_size, model.image_size, dtype=learner.dtype)
    made = {"pixel_values": pixels, "input_ids": ids, "labels": labels}
    if model.state_size or learner.proprio_head is not None:
        made["states"] = torch.zeros(rows, STATE_DIM)
    return {name: one.to(learner.device) for name, one in made.items()}
