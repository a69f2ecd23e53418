"""Batches on their way to the model: copied and prepared on a stream of their own while the GPU works on the last."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.data.batches import IGNORED, Batch
from vlatrain.fast.streams import urgent_stream

Inputs = Mapping[str, Tensor]
TEXT_STEP = 2
"""What a captured pass reads of texts is a multiple of it: half as many graphs, for at most one idle place a row."""
MOST_IDLE = 1 / 8
"""Of a row's places that the shortest text may leave idle for all texts to be padded to the longest: one graph, instead
of a working memory for capturing a second one beside that of the first."""
ENDS_LOOKED_AT = 64


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


def with_few_widths(batch: Batch, pad_token_id: int, common: int = 0) -> Batch:
    """The batch with its texts padded to the `common` width, if it is that wide at most, or to the next whole step."""
    width = batch.input_ids.shape[1]
    missing = max(common, _whole(width)) - width
    return batch._replace(
        input_ids=F.pad(batch.input_ids, (0, missing), value=pad_token_id),
        labels=F.pad(batch.labels, (0, missing), value=IGNORED),
    )


def common_width(instructions: Sequence[str], width_of: Callable[[str], int], others: int) -> int:
    """The width that all texts of a data set are padded to where passes are captured; 0 where they differ too much.

    `width_of` an instruction: tokens of its text, actions and end among them. `others`: further places of a row. Of
    many instructions only the shortest and the longest, by their letters, are looked at.
    """
    by_letters = sorted(instructions, key=len)
    widths = [width_of(text) for text in {*by_letters[:ENDS_LOOKED_AT], *by_letters[-ENDS_LOOKED_AT:]}]
    longest = _whole(max(widths))
    return longest if longest - min(widths) <= MOST_IDLE * (others + longest) else 0


def _whole(width: int) -> int:
    """The next width of which all but the last place, which is not read, are whole steps."""
    return width + -(width - 1) % TEXT_STEP
