"""The batches of a small data set whose frames are decoded once and stay on the device: nothing is loaded in a step."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.data.batches import AHEAD, IGNORED, Batch, Batches
from vlatrain.data.resize import resize
from vlatrain.data.threads import done_ahead
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
    """Decodes every frame of `loader`, in pieces side by side. Raises TrainerError for one that is corrupt.

    Neither the device nor the host ever holds more than all small pictures once, and a few pieces.
    """
    tell = told(f"decoding {loader.frames:,} frames once: {{:.0%}}")
    pieces = [np.arange(first, min(first + PIECE, loader.frames)) for first in range(0, loader.frames, PIECE)]
    threads = max(1, threads)
    images = wrists = None
    texts = []
    with ThreadPoolExecutor(threads, thread_name_prefix="resident") as pool:
        for part in done_ahead(pool, lambda piece: loader.gathered(piece, piece), pieces, threads * AHEAD):
            first = int(part.positions[0])
            part = part.to(device)
            images = _put(images, resize(part.images, image_size), first, loader.frames)
            if part.wrists is not None:
                wrists = _put(wrists, resize(part.wrists, image_size), first, loader.frames)
            texts.append(part._replace(images=part.images.new_empty(0), wrists=None))
            tell((first + len(part.positions)) / loader.frames)
    assert images is not None, "a data set has frames"
    width = max(part.input_ids.shape[1] for part in texts)
    whole = _joined([_padded(part, width, pad_id) for part in texts])
    return ResidentBatches(loader, whole._replace(images=images, wrists=wrists))


def _rows(tensor: Tensor, chosen: Tensor) -> Tensor:
    """Its rows `chosen`; of bytes eight are moved at a time, where rows are of whole eights."""
    if tensor.dtype is not torch.uint8 or tensor[0].numel() % 8:
        return tensor[chosen]
    return tensor.flatten(1).view(torch.int64)[chosen].view(torch.uint8).view(len(chosen), *tensor.shape[1:])


def _put(whole: Tensor | None, rows: Tensor, first: int, frames: int) -> Tensor:
    """`rows` from the place `first` on among those of all frames, for which room is made with the first of them."""
    whole = rows.new_empty((frames, *rows.shape[1:])) if whole is None else whole
    whole[first : first + len(rows)] = rows
    return whole


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
