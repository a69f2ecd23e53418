"""The batches of a small data set whose frames are decoded once and stay on the device: nothing is loaded in a step."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.data.batches import IGNORED, Batch, Batches
from vlatrain.data.resize import resize
from vlatrain.data.training_set import told

PIECE = 256


@dataclass(slots=True)
class ResidentBatches:
    """As `loader`'s batches, with pictures resized already, texts padded to the longest of all, all on the device."""

    loader: Batches
    whole: Batch

    @property
    def samples_per_batch(self) -> int:
        return self.loader.samples_per_batch

    def at(self, position: int) -> Batch:
        """The batch that this rank takes when all ranks together stand at `position`."""
        places, positions = self.loader.places_at(position)
        chosen = torch.from_numpy(places).to(self.whole.images.device, non_blocking=True)
        return self.whole.each(lambda tensor: _rows(tensor, chosen))._replace(positions=positions)

    def stream(self, position: int) -> Generator[Batch, None, None]:
        """Batch after batch from `position`, without end."""
        while True:
            yield self.at(position)
            position += self.samples_per_batch


def resident(loader: Batches, device: torch.device, image_size: int, pad_id: int, threads: int) -> ResidentBatches:
    """Decodes every frame of `loader`, in pieces side by side. Raises TrainerError for one that is corrupt."""
    tell = told(f"decoding {loader.frames:,} frames once: {{:.0%}}")
    pieces = [np.arange(first, min(first + PIECE, loader.frames)) for first in range(0, loader.frames, PIECE)]
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="resident") as pool:
        gathered = pool.map(lambda piece: loader.gathered(piece, piece), pieces)
        parts = []
        for part in gathered:
            parts.append(_small(part.to(device), image_size))
            tell(sum(len(one.images) for one in parts) / loader.frames)
    width = max(part.input_ids.shape[1] for part in parts)
    parts = [_padded(part, width, pad_id) for part in parts]
    return ResidentBatches(loader, _joined(parts))


def _rows(tensor: Tensor, chosen: Tensor) -> Tensor:
    """Its rows `chosen`; of bytes eight are moved at a time, where rows are of whole eights."""
    if tensor.dtype is not torch.uint8 or tensor[0].numel() % 8:
        return tensor[chosen]
    return tensor.flatten(1).view(torch.int64)[chosen].view(torch.uint8).view(len(chosen), *tensor.shape[1:])


def _small(batch: Batch, image_size: int) -> Batch:
    wrists = None if batch.wrists is None else resize(batch.wrists, image_size)
    return batch._replace(images=resize(batch.images, image_size), wrists=wrists)


def _padded(batch: Batch, width: int, pad_id: int) -> Batch:
    room = (0, width - batch.input_ids.shape[1])
    input_ids, labels = F.pad(batch.input_ids, room, value=pad_id), F.pad(batch.labels, room, value=IGNORED)
    return batch._replace(input_ids=input_ids, labels=labels)


def _joined(parts: list[Batch]) -> Batch:
    def together(tensors: list[Tensor | None]) -> Tensor | None:
        known = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(known) if known else None

    columns = {name: [getattr(part, name) for part in parts] for name in Batch._fields if name != "positions"}
    positions = np.concatenate([part.positions for part in parts])
    return Batch(positions=positions, **{name: together(column) for name, column in columns.items()})  # type: ignore[arg-type]  # those that must be there are
