"""Batches on their way to the model: copied and prepared on a stream of their own while the GPU works on the last."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.data.batches import IGNORED, Batch
from vlatrain.fast.streams import urgent_stream

Inputs = Mapping[str, Tensor]
TEXT_STEP = 2
"""What a captured pass reads of texts is a multiple of it: half as many graphs, for at most one idle place a row."""


class Feed:
    """The model's inputs, batch after batch. `look_ahead` prepares the next ones, when there is time for it."""

    def __init__(self, batches: Iterator[Batch], prepare: Callable[[Batch], Inputs], device: torch.device) -> None:
        self._batches = batches
        self._prepare = prepare
        self._stream = urgent_stream(device) if device.type == "cuda" else None
        self._next: Inputs | None = None

    def __iter__(self) -> Iterator[Inputs]:
        return self

    def __next__(self) -> Inputs:
        self.look_ahead()
        ready, self._next = self._next, None
        assert ready is not None
        if self._stream is not None:
            here = torch.cuda.current_stream()
            here.wait_stream(self._stream)
            for tensor in ready.values():
                tensor.record_stream(here)
        return ready

    def look_ahead(self) -> None:
        """To be called when the GPU has work: fetches one batch, if none waits."""
        if self._next is not None:
            return
        if self._stream is None:
            self._next = self._prepare(next(self._batches))
            return
        with torch.cuda.stream(self._stream):
            self._next = self._prepare(next(self._batches))


def with_even_texts(batch: Batch, pad_token_id: int) -> Batch:
    """The batch with its texts padded, so that what is read of them, all but the last place, is in whole steps."""
    missing = -(batch.input_ids.shape[1] - 1) % TEXT_STEP
    return batch._replace(
        input_ids=F.pad(batch.input_ids, (0, missing), value=pad_token_id),
        labels=F.pad(batch.labels, (0, missing), value=IGNORED),
    )
