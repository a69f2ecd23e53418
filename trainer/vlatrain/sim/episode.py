"""One recorded episode: what a demonstrator saw, was asked and did."""

from dataclasses import dataclass
from typing import Any

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
        """Raises ValueError where a part is of another shape or type, or an action no number."""
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 [T,H,W,3], not {_described(self.images)}")
        if self.actions.shape != (len(self.images), 7) or self.actions.dtype != np.float32:
            raise ValueError(f"actions must be float32 [{len(self.images)},7], not {_described(self.actions)}")
        if not np.isfinite(self.actions).all():
            raise ValueError("actions holds numbers that are not finite")
        wrist, states = self.wrist_images, self.states
        if wrist is not None and (wrist.dtype != np.uint8 or wrist.ndim != 4 or len(wrist) != len(self.images)):
            raise ValueError(f"wrist images must be uint8 [{len(self.images)},H,W,3], not {_described(wrist)}")
        if states is not None and states.shape != (len(self.images), 8):
            raise ValueError(f"states must be [{len(self.images)},8], not {_described(states)}")

    def __len__(self) -> int:
        return len(self.images)


def _described(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"
