"""The batch of one rank at a global position: decoded, tokenised and padded, the same whoever computes it and when."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vlatrain.data.order import indices_at, rank_positions
from vlatrain.data.resize import resize
from vlatrain.data.rlds import Frame
from vlatrain.data.threads import done_ahead
from vlatrain.errors import TrainerError

IGNORED = -100
Part = TypeVar("Part")
AHEAD = 2


class Frames(Protocol):
    """A data set: any number of frames, in random order."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Frame: ...


class Prompts(Protocol):
    """What writes the text of a sample: the prompt tokenizer."""

    def training_ids(self, instruction: str, action_ids: list[int], /) -> tuple[list[int], list[int]]: ...


class Actions(Protocol):
    """What turns normalised actions into token ids: the action tokenizer."""

    def encode(self, actions: ArrayLike, /) -> NDArray[np.int64]: ...


class Batch(NamedTuple):
    """B samples. Texts are padded on the right; labels are -100 where nothing is learned."""

    images: Tensor
    """uint8 [B,H,W,3]"""
    input_ids: Tensor
    """int64 [B,T]"""
    labels: Tensor
    """int64 [B,T]"""
    lengths: Tensor
    """int64 [B]: the tokens of each text without padding"""
    positions: NDArray[np.int64]
    """The global position of each sample, from which its augmentation is drawn"""
    wrists: Tensor | None = None
    """uint8 [B,H,W,3] where the wrist camera is an input"""
    states: Tensor | None = None
    """fp32 [B,8] where proprioception is an input"""

    def to(self, device: torch.device) -> "Batch":
        """The batch on `device`; asynchronous from pinned memory."""
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "Batch":
        """The batch in page-locked memory, for asynchronous copies."""
        return self.each(Tensor.pin_memory)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """Every tensor changed."""
        return self._replace(
            images=change(self.images),
            input_ids=change(self.input_ids),
            labels=change(self.labels),
            lengths=change(self.lengths),
            wrists=None if self.wrists is None else change(self.wrists),
            states=None if self.states is None else change(self.states),
        )


class Batches:
    """The batches of one rank. Its only state is given with each call: the global position, in samples of all ranks.

    `num_workers` threads prepare batches ahead (decoding releases the interpreter lock); 0 prepares each when asked.
    """

    def __init__(
        self,
        frames: Frames,
        prompts: Prompts,
        actions: Actions,
        *,
        pad_token_id: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        pin_memory: bool = False,
        image_size: int | None = None,
        chunk: int = 1,
    ) -> None:
        self._frames = frames
        self._prompts = prompts
        self._actions = actions
        self._pad_token_id = pad_token_id
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._num_workers = num_workers
        self._pin_memory = pin_memory
        self._image_size = image_size
        self._chunk = chunk

    @property
    def samples_per_batch(self) -> int:
        """By how much the global position moves when every rank takes one batch."""
        return self._batch_size * self._world_size

    def at(self, position: int) -> Batch:
        """The batch that this rank takes when all ranks together stand at `position`."""
        places, positions = self.places_at(position)
        batch = self.gathered(places, positions)
        return batch.pinned() if self._pin_memory else batch

    def places_at(self, position: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which frames this rank takes when all ranks together stand at `position`, and their global positions."""
        positions = rank_positions(position, self._batch_size, self._rank, self._world_size)
        return indices_at(self._seed, len(self._frames), positions), positions

    def gathered(self, places: NDArray[np.int64], positions: NDArray[np.int64]) -> Batch:
        """These frames as a batch."""
        return self._collate([self._frames[int(place)] for place in places], positions)

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self._frames)

    def stream(self, position: int) -> Generator[Batch, None, None]:
        """Batch after batch from `position`, without end; close the iterator to stop the workers."""
        if not self._num_workers:
            while True:
                yield self.at(position)
                position += self.samples_per_batch
        with ThreadPoolExecutor(self._num_workers, thread_name_prefix="batches") as pool:
            places = count(position, self.samples_per_batch)
            yield from done_ahead(pool, self.at, places, self._num_workers * AHEAD)

    def _collate(self, frames: list[Frame], positions: NDArray[np.int64]) -> Batch:
        texts = self._texts(frames)
        return Batch(
            images=self._stacked([frame.image for frame in frames]),
            input_ids=pad_right([ids for ids, _ in texts], self._pad_token_id),
            labels=pad_right([labels for _, labels in texts], IGNORED),
            lengths=torch.tensor([len(ids) for ids, _ in texts]),
            positions=positions,
            wrists=self._stacked(wrists) if (wrists := _known([frame.wrist for frame in frames])) else None,
            states=torch.from_numpy(np.stack(states))
            if (states := _known([frame.state for frame in frames]))
            else None,
        )

    def _texts(self, frames: list[Frame]) -> list[tuple[list[int], list[int]]]:
        """Ids and labels of each frame. Nothing is learned of actions behind an episode's end, where the last one
        stands again.
        """
        ids = self._actions.encode(np.stack([_chunk(frame, self._chunk) for frame in frames]))
        texts = []
        for frame, own in zip(frames, ids, strict=True):
            text, labels = self._prompts.training_ids(frame.instruction, own.ravel().tolist())
            missing = (self._chunk - _known_actions(frame)) * own.shape[-1]
            end = len(labels) - 1
            labels[end - missing : end] = [IGNORED] * missing
            texts.append((text, labels))
        return texts

    def _stacked(self, images: list[NDArray[np.uint8]]) -> Tensor:
        """One tensor; pictures of different sizes (in a mixture) are brought to the model's size first."""
        if len(sizes := {image.shape for image in images}) == 1:
            return torch.from_numpy(np.stack(images))
        if self._image_size is None:
            raise TrainerError(f"pictures of several sizes in one batch: {', '.join(map(str, sorted(sizes)))}")
        return torch.cat([resize(torch.tensor(image[None]), self._image_size) for image in images])


def _known_actions(frame: Frame) -> int:
    return 1 if frame.following is None else 1 + len(frame.following)


def _chunk(frame: Frame, length: int) -> NDArray[np.float32]:
    """Its action and those that follow, [length, 7]; the last one again where the episode ends before."""
    known = frame.action[None] if frame.following is None else np.concatenate([frame.action[None], frame.following])
    return known[np.minimum(np.arange(length), len(known) - 1)]


def _known(parts: list[Part | None]) -> list[Part]:
    """All parts, or none where the data set does not read them."""
    return [part for part in parts if part is not None]


def pad_right(rows: list[list[int]], filler: int) -> Tensor:
    """Rows of unequal length as int64 [B, longest], filled up on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows], dtype=torch.int64)
