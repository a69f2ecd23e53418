"""Trains as a plain loop over public libraries does, from the same weights, adapters and batches."""

from pathlib import Path

import pytest
import torch
from reference_stack import compare, config_of, made_base
from vlatrain.configuration.finetune import FinetuneConfig, Precision


@pytest.mark.parametrize("steps", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_losses_are_those_of_transformers_and_peft(steps: int, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    base = made_base(tmp_path / "base", config_of("tiny"), "cpu")
    config = FinetuneConfig(
        batch_size=4,
        lora_rank=8,
        learning_rate=2e-3,
        max_steps=steps,
        precision=Precision.FP32,
        image_aug=False,
    )
    found = compare(base, config, torch.device("cpu"), "transformers")
    assert found.largest_difference < 1e-4
    assert found.ours.losses[-1] < 0.8 * found.ours.losses[0]
