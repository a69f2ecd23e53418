"""Memory on GPUs: what `vlad plan` predicts, and what saves memory does."""

import gc

import pytest
import torch
from gpu_models import a_batch, random_7b
from measure_memory import SETTINGS, kept_values, measured
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.memory import Checkpointing
from vlatrain.model.config import OpenVLAConfig, TextConfig
from vlatrain.model.lora import add_lora
from vlatrain.model.recomputing import recompute
from vlatrain.planning.cards import CARDS
from vlatrain.planning.memory import DECODER_KEEPS, TOWER_KEEPS, Kept

MOST_ERROR = 0.10


@pytest.mark.parametrize("config", SETTINGS, ids=lambda one: f"{one.batch_size}-{one.activation_checkpointing}")
def test_the_predicted_peak_is_the_measured_one_within_a_tenth(config: FinetuneConfig) -> None:
    found = measured(config, CARDS["H200"], warm_up=1, steps=2)
    print(f"{found.setting}: {found.peak_bytes / 1e9:.2f} GB, predicted {found.predicted_bytes / 1e9:.2f}")
    assert abs(found.error) < MOST_ERROR


@pytest.mark.parametrize("name", ["decoder", "tower"])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_blocks_keep_what_the_formula_says(name: str, precision: str) -> None:
    keeps: Kept = (DECODER_KEEPS if name == "decoder" else TOWER_KEEPS)[precision == "bf16"]
    found = dict(kept_values())[f"{name}, {precision}"]
    assert found["width"] == pytest.approx(keeps.width, abs=0.1)
    assert found["inner"] == pytest.approx(keeps.inner, abs=0.1)
    assert found["rank"] == pytest.approx(keeps.rank, abs=0.1)


def test_recomputed_gradients_are_the_same_for_less_memory() -> None:
    config = OpenVLAConfig(text=TextConfig(num_hidden_layers=4))
    peaks, gradients = [], []
    for level in Checkpointing:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        model = random_7b(config)
        adapted = add_lora(model, rank=8).cuda().train()
        recompute(model, level)
        with torch.autocast("cuda", torch.bfloat16):
            loss = adapted(*a_batch(config, 8)).loss()
        loss.backward()
        peaks.append(torch.cuda.max_memory_allocated())
        gradients.append([one.grad.clone() for one in adapted.parameters() if one.grad is not None])
        del model, adapted, loss
    none, blocks, full = peaks
    assert none > blocks > full
    for others in gradients[1:]:
        assert all(torch.equal(one, other) for one, other in zip(gradients[0], others, strict=True))
