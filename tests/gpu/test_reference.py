"""Training against a plain loop over transformers, timm and PEFT, at a size that keeps a GPU busy."""

import statistics
from pathlib import Path

import pytest
import torch
from made_base import config_of, made_base
from reference_stack import compare
from vlatrain.configuration.finetune import FinetuneConfig, Precision

pytest.importorskip("timm")
STEPS = 200


def config(precision: Precision) -> FinetuneConfig:
    return FinetuneConfig(
        batch_size=8, lora_rank=16, learning_rate=5e-4, max_steps=STEPS, precision=precision, image_aug=False
    )


@pytest.mark.parametrize("size", ["tiny", "mid"])
def test_in_fp32_the_curves_are_one(size: str, tmp_path: Path) -> None:
    base = made_base(tmp_path / "base", config_of(size), "cpu")
    found = compare(base, config(Precision.FP32), torch.device("cuda"), "timm")
    assert found.largest_difference < 1e-4
    assert found.ours.losses[-1] < 0.6 * found.ours.losses[0]


def test_in_bf16_they_stay_together(tmp_path: Path) -> None:
    base = made_base(tmp_path / "base", config_of("mid"), "cpu")
    found = compare(base, config(Precision.BF16), torch.device("cuda"), "timm")
    learned = found.reference.losses[0] - statistics.fmean(found.reference.losses[-20:])
    assert learned > 1
    assert abs(found.mean_difference) < 0.02 * learned
    ends = [statistics.fmean(curve.losses[-20:]) for curve in (found.ours, found.reference)]
    assert abs(ends[0] - ends[1]) < 0.05 * learned
