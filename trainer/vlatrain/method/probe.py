"""The probe set: a fixed, seeded choice of samples, held out from training, on which the method measures."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.batches import pad_right
from vlatrain.data.names import mixture_parts
from vlatrain.data.order import indices_at
from vlatrain.data.resize import resize
from vlatrain.data.rlds import EmptySplitError, RLDSDataset, held_out_split
from vlatrain.data.training_set import ensure_demonstrations, open_part
from vlatrain.errors import TrainerError
from vlatrain.method.instructions import probe_prompt, question
from vlatrain.model.codec import Codec
from vlatrain.model.images import normalise


class ProbeSample(NamedTuple):
    """A picture uint8 [H,W,3], what is asked of the robot, and a name that tells it from every other sample."""

    image: NDArray[np.uint8]
    instruction: str
    name: str


class ProbeSet(Protocol):
    """The samples in their fixed order. `warning` says what is wrong with the choice, if anything."""

    warning: str | None

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> ProbeSample: ...


class FramesProbe:
    """Frames of a data set, drawn by a seed; the names are data set, episode and step."""

    def __init__(self, frames: RLDSDataset, samples: int, seed: int, warning: str | None = None) -> None:
        self._frames = frames
        self._places = indices_at(seed, len(frames), np.arange(min(samples, len(frames))))
        self.warning = warning

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> ProbeSample:
        frame = self._frames[int(self._places[place])]
        return ProbeSample(
            frame.image, question(frame.instruction), f"{self._frames.name}/{frame.episode}/{frame.step}"
        )


class JsonlProbe:
    """The first lines of a file of {"image": path, "instruction": text}, in their order."""

    warning: str | None = None

    def __init__(self, path: Path, image_root: Path | None, samples: int) -> None:
        self._folder = image_root or path.parent
        try:
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()][:samples]
        except OSError as error:
            raise TrainerError(f"probe_jsonl {path}: cannot be read: {error.strerror}") from error
        self._rows = [_jsonl_row(path, number, line) for number, line in enumerate(lines, start=1)]
        if not self._rows:
            raise TrainerError(f"probe_jsonl {path}: holds no samples")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> ProbeSample:
        name, instruction = self._rows[place]
        path = self._folder / name
        try:
            with Image.open(path) as image:
                return ProbeSample(np.asarray(image.convert("RGB")), instruction, name)
        except OSError as error:
            raise TrainerError(f"probe_image_root: {path} is no picture that can be read: {error}") from error


def _jsonl_row(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        return str(row["image"]), str(row["instruction"])
    except (ValueError, LookupError, TypeError) as error:
        raise TrainerError(f'probe_jsonl {path}:{number}: no {{"image": …, "instruction": …}}: {error!r}') from error


def open_probe(
    config: FinetuneConfig, *, is_first: bool = True, wait_for_all: Callable[[], None] = lambda: None
) -> ProbeSet:
    """The probe set of a configuration. Of a data set it takes the part that training never sees.

    Where that part is empty (very small sets) it takes all, with a warning if these are trained on. The first rank
    makes what is missing while the others wait. Raises TrainerError.
    """
    if config.probe_jsonl is not None:
        return JsonlProbe(config.probe_jsonl, config.probe_image_root, config.probe_samples)
    folder = config.probe_root_dir / config.probe_dataset_name
    if is_first:
        ensure_demonstrations(config.probe_root_dir, config.probe_dataset_name)
        _frames_of(folder, config)
    wait_for_all()
    return _frames_of(folder, config)


def _frames_of(folder: Path, config: FinetuneConfig) -> FramesProbe:
    try:
        frames, warning = open_part(folder, held_out_split, config.cache_dir), None
    except EmptySplitError:
        frames = open_part(folder, lambda _: "train", config.cache_dir)
        trained_on = {config.data_root_dir / part.name for part in mixture_parts(config.dataset_name)}
        warning = f"the probe set is the training set, for {folder} is too small to hold a part out: name another"
        warning = warning if folder in trained_on else None
    return FramesProbe(frames, config.probe_samples, config.probe_seed, warning)


class ProbeBatch(NamedTuple):
    """B samples as the model takes them; the instruction of a row is at its places `first` to `end` - 1."""

    pixel_values: Tensor
    """[B,6,H,W]"""
    input_ids: Tensor
    """int64 [B,T], padded on the right"""
    lengths: Tensor
    """int64 [B]"""
    first: Tensor
    """int64 [B]"""
    end: Tensor
    """int64 [B]"""


def probe_batch(
    samples: Sequence[ProbeSample], template: str, codec: Codec, device: torch.device, dtype: torch.dtype
) -> ProbeBatch:
    """The samples resized, normalised, put into the template and tokenised; never augmented."""
    prompts = [probe_prompt(codec.prompts, template, sample.instruction) for sample in samples]
    images = torch.cat(
        [resize(torch.tensor(sample.image[None], device=device), codec.image_size) for sample in samples]
    )
    numbers = torch.tensor([(len(prompt.ids), prompt.first, prompt.end) for prompt in prompts], device=device)
    lengths, first, end = numbers.unbind(1)
    return ProbeBatch(
        pixel_values=normalise(images, codec.constants, dtype),
        input_ids=pad_right([prompt.ids for prompt in prompts], codec.prompts.pad_token_id).to(device),
        lengths=lengths,
        first=first,
        end=end,
    )


def hash_of(texts: Iterable[str]) -> str:
    """SHA-256 of lines; over a probe's instructions it is the original program's `probe_hash`."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()
