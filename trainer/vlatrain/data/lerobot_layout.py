"""What a LeRobot data set's meta/info.json says, checked as far as its text goes. Opens no data file.

Source: the layout that huggingface/lerobot writes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlatrain.data.actions import ACTION_DIM, STATE_DIM
from vlatrain.errors import TrainerError

PREFERRED_CAMERAS = ("observation.images.image", "observation.image", "image")
WRIST_CAMERAS = (
    "observation.images.wrist_image",
    "observation.wrist_image",
    "observation.images.image2",
    "wrist_image",
)
STATE_KEYS = ("observation.state", "state")
ACTION_KEYS = ("action", "actions")


@dataclass(frozen=True, slots=True)
class Layout:
    """What meta/info.json says, as far as it is needed; `frames` and `episodes` are None where it does not say."""

    folder: Path
    version: str
    fps: float
    video_path: str
    chunks_size: int
    camera: str
    action: str
    in_video: bool
    wrist: str | None
    state: str | None
    frames: int | None
    episodes: int | None

    @property
    def is_v2(self) -> bool:
        return self.version.startswith("v2.")

    @property
    def cameras(self) -> tuple[str, ...]:
        return (self.camera,) if self.wrist is None else (self.camera, self.wrist)

    @property
    def columns(self) -> list[str]:
        """The columns of a data file that are read; pictures only where they are not in a video."""
        pictures = () if self.in_video else self.cameras
        return ["episode_index", "task_index", self.action, *pictures, *([self.state] if self.state else [])]


def read_layout(folder: Path, camera: str | None = None) -> Layout:
    """Reads and checks meta/info.json; `camera` is needed where the set has several and none of the usual names.

    Raises TrainerError for sets of other versions, without such a camera, or whose actions are not seven numbers.
    """
    path = folder / "meta" / "info.json"
    try:
        info = json.loads(path.read_bytes())
        layout = _layout(folder, path, info, camera)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainerError(f"{path}: no description of a LeRobot data set: {error!r}") from error
    if not layout.version.startswith(("v2.", "v3.")):
        raise TrainerError(
            f"{path}: LeRobot version {layout.version}; v2.0 to v3.0 can be read, convert it with lerobot"
        )
    action = info["features"].get(layout.action, {})
    if list(action.get("shape", [])) != [ACTION_DIM]:
        raise TrainerError(f"{path}: feature {layout.action!r} is not {ACTION_DIM} numbers: {action}")
    if layout.in_video and not (layout.video_path and layout.fps > 0):
        raise TrainerError(f"{path}: its pictures are in videos, but video_path or fps is not told")
    return layout


def _layout(folder: Path, path: Path, info: dict[str, Any], camera: str | None) -> Layout:
    features = info["features"]
    camera = _camera(path, features, camera)
    return Layout(
        folder=folder,
        version=str(info["codebase_version"]),
        fps=float(info["fps"]),
        video_path=info.get("video_path") or "",
        chunks_size=int(info.get("chunks_size", 1000)),
        camera=camera,
        action=next((key for key in ACTION_KEYS if key in features), ACTION_KEYS[0]),
        in_video=features[camera]["dtype"] == "video",
        wrist=_wrist(features, camera),
        state=_state(features),
        frames=info.get("total_frames"),
        episodes=info.get("total_episodes"),
    )


def _camera(path: Path, features: dict[str, Any], wanted: str | None) -> str:
    cameras = [name for name, feature in features.items() if feature["dtype"] in {"image", "video"}]
    chosen = [name for name in ((wanted,) if wanted else PREFERRED_CAMERAS) if name in cameras]
    if not chosen and (wanted or len(cameras) != 1):
        there = ", ".join(cameras) or "none"
        told = f"no camera {wanted!r}" if wanted else "which camera is meant is not clear (convert it with --camera)"
        raise TrainerError(f"{path}: {told}; there are {there}")
    return (chosen or cameras)[0]


def _wrist(features: dict[str, Any], camera: str) -> str | None:
    """The wrist camera, where it is stored as the other one is."""
    kind = features[camera]["dtype"]
    named = [key for key in WRIST_CAMERAS if key in features and key != camera]
    return next((key for key in named if features[key]["dtype"] == kind), None)


def _state(features: dict[str, Any]) -> str | None:
    """The hand's state, where it is of eight numbers."""
    shapes = {key: list(features[key]["shape"]) for key in STATE_KEYS if key in features}
    return next((key for key, shape in shapes.items() if shape == [STATE_DIM]), None)
