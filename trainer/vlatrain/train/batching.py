"""Where the batches of a training run come from."""

import torch

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.batches import Batches
from vlatrain.data.resident import ResidentBatches, resident
from vlatrain.data.training_set import TrainingSet
from vlatrain.distributed import Ranks
from vlatrain.model.codec import Codec


def open_batches(
    config: FinetuneConfig, dataset: TrainingSet, codec: Codec, ranks: Ranks, device: torch.device
) -> Batches | ResidentBatches:
    """Of one rank: loaded in each step, or decoded now and kept on the device."""
    pad = codec.prompts.pad_token_id
    loader = Batches(
        dataset,
        codec.prompts,
        codec.actions,
        pad_token_id=pad,
        batch_size=config.batch_size,
        seed=config.seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
        num_workers=config.num_workers,
        pin_memory=device.type == "cuda",
        chunk=config.action_chunk,
    )
    if config.keep_frames_on_device:
        return resident(loader, device, codec.image_size, pad, config.num_workers)
    return loader
