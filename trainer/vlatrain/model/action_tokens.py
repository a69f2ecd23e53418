"""Actions in -1..1 to the last tokens of the vocabulary and back."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


class ActionTokenizer:
    """Uniform bins over -1..1; bin d (1-based) is token `vocab - d`, so -1 has the largest id.

    Source: openvla `prismatic/vla/action_tokenizer.py`. 256 edges make 255 centres: +1 alone falls in the last bin,
    and decoding clips it into the one before.
    """

    def __init__(self, n_bins: int = 256, vocab: int = 32000) -> None:
        self.vocab = vocab
        self.n_bins = n_bins
        self.edges: NDArray[np.float64] = np.linspace(-1.0, 1.0, n_bins)
        self.centres: NDArray[np.float64] = (self.edges[:-1] + self.edges[1:]) / 2.0

    @property
    def first_id(self) -> int:
        """The smallest action token id."""
        return self.vocab - self.n_bins

    def encode(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Floats of any shape, clipped to -1..1, to token ids of the same shape."""
        clipped = np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0)
        return self.vocab - np.digitize(clipped, self.edges).astype(np.int64)

    def decode(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Token ids of any shape to bin centres, in double precision as published; no action is the nearest end."""
        bins = np.clip(self.vocab - np.asarray(ids, dtype=np.int64) - 1, 0, len(self.centres) - 1)
        return self.centres[bins]

    def decode_tensor(self, ids: Tensor) -> Tensor:
        """As `decode`, on the tensor's device and without leaving it; fp32."""
        bins = (self.vocab - ids - 1).clamp(0, self.n_bins - 2)
        return (2 * bins + 1).float() / (self.n_bins - 1) - 1.0
