"""One recorded episode: what a demonstrator saw, was asked and did."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """T frames: `images[t]` (uint8 [T,H,W,3]) was seen when `actions[t]` (float32 [T,7], raw units) was chosen.

    Where they are known: the wrist camera's pictures, shaped alike, and the hand's states float32 [T,8].
    """

    task: str
    instruction: str
    images: npt.NDArray[np.uint8]
    actions: npt.NDArray[np.float32]
    wrist_images: npt.NDArray[np.uint8] | None = None
    states: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 [T,H,W,3], not {self.images.dtype} {list(self.images.shape)}")
        if self.actions.shape != (len(self.images), 7) or self.actions.dtype != np.float32:
            raise ValueError(
                f"actions must be float32 [{len(self.images)},7], not {self.actions.dtype} {list(self.actions.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)
