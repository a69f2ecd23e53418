"""The tool `held-out`: how far a checkpoint's answers are from demonstrations that training has not seen."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlatrain.adapters import latest_adapter
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.actions import GRIPPER
from vlatrain.data.batches import pad_right
from vlatrain.data.rlds import Frame, RLDSDataset, held_out_split
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.model.arithmetic import arithmetic
from vlatrain.model.codec import Codec
from vlatrain.tools.checkpoint_evaluation import base_of, config_of, loaded_policy
from vlatrain.train.devices import chosen_device

BATCH = 32


def measure(arguments: argparse.Namespace) -> None:
    """Prints one line of JSON. Raises TrainerError for what is no checkpoint, or a set that holds nothing back."""
    checkpoint = latest_adapter(arguments.checkpoint.absolute())
    config = config_of(checkpoint, [f"--eval_task_suite_name={arguments.data.name.removesuffix('_no_noops')}"])
    base = base_of(config, checkpoint)
    codec = Codec.from_folder(base)
    dataset = RLDSDataset(
        arguments.data, split=held_out_split(arguments.data), wrist=codec.pictures > 1, states=codec.state_size > 0
    )
    places = np.unique(np.linspace(0, len(dataset) - 1, arguments.frames).astype(int))
    frames = [dataset[int(place)] for place in places]
    print(json.dumps(measured(config, checkpoint, base, codec, frames)))


def measured(config: FinetuneConfig, checkpoint: Path, base: Path, codec: Codec, frames: list[Frame]) -> dict[str, Any]:
    """`l1` is the mean error of the six motions, in units of -1..1; `gripper` the share of right openings."""
    device = torch.device(chosen_device(config.device))
    policy = loaded_policy(replace(config, action_chunk=codec.chunk), checkpoint, base, codec, device)
    answers = np.concatenate(list(_answers(policy, frames)))
    wanted = np.stack([frame.action for frame in frames])
    errors = np.abs(answers - wanted)
    is_right = (answers[:, GRIPPER] > 0.5) == (wanted[:, GRIPPER] > 0.5)
    return {
        "l1": round(float(errors[:, :GRIPPER].mean()), 5),
        "gripper": round(float(is_right.mean()), 4),
        "frames": len(frames),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def _answers(policy: LivePolicy, frames: list[Frame]) -> Iterator[np.ndarray[Any, np.dtype[np.float64]]]:
    """Normalised actions, as they are decoded, of each batch."""
    codec, device = policy.codec, policy.device
    for first in range(0, len(frames), BATCH):
        batch = frames[first : first + BATCH]
        wrists = [frame.wrist for frame in batch if frame.wrist is not None] if codec.pictures > 1 else []
        pictures = policy.prepared([*(frame.image for frame in batch), *wrists])
        rows = [codec.prompts.inference_ids(frame.instruction) for frame in batch]
        states = [frame.state for frame in batch if frame.state is not None]
        with arithmetic(policy.vla, device, policy.dtype):
            ids = policy.vla.predict(
                torch.cat(torch.chunk(pictures, 2 if wrists else 1), dim=1),
                pad_right(rows, codec.prompts.pad_token_id).to(device),
                torch.tensor([len(row) for row in rows], device=device),
                torch.from_numpy(np.stack(states)).to(device) if states else None,
            )
        yield codec.actions.decode(ids.cpu().numpy())
