"""Memory on GPUs: what `vlad plan` predicts, and what saves memory does."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gpu_models import a_batch, random_7b
from kept_of_passes import kept_of_a_pass
from kept_values import kept_values
from made_base import config_of, made_base
from measure_memory import SETTINGS, SIZES, configured, measured
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing
from vlatrain.configuration.speed import Switch
from vlatrain.model.config import OpenVLAConfig, TextConfig
from vlatrain.model.lora import add_lora
from vlatrain.planning import measured as calibrated
from vlatrain.planning.cards import CARDS
from vlatrain.planning.plan import plan
from vlatrain.planning.sizes import sizes_of
from vlatrain.planning.used import Way
from whole_models import whole_config

MOST_ERROR = 0.10


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 7B with random weights, 15 GB."""
    folder = made_base(tmp_path_factory.mktemp("base"), config_of("7b"), "cuda")
    torch.cuda.empty_cache()
    return folder


@pytest.fixture
def is_deterministic() -> Iterator[None]:
    """Attention's backward pass sums in any order unless told otherwise."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: "-".join(map(str, one)))
def test_the_predicted_peak_is_the_measured_one_within_a_tenth(setting: tuple[Any, ...], base: Path) -> None:
    found = measured(base, configured(*setting), warm_up=1, steps=2)
    foretold = plan(found.config, SIZES, CARDS["H200"], 1).account.total_bytes
    print(f"{found.name}: {found.peak_bytes / 1e9:.2f} GB, predicted {foretold / 1e9:.2f}")
    assert abs(foretold / found.peak_bytes - 1) < MOST_ERROR


@pytest.mark.parametrize("name", ["decoder", "tower"])
@pytest.mark.parametrize("way", Way)
def test_blocks_keep_what_the_formula_says(name: str, way: Way) -> None:
    keeps = getattr(calibrated.measured(), name)[way]
    found = dict(kept_values())[f"{name}, {way}"]
    assert found["width"] == pytest.approx(keeps.width, abs=0.1)
    assert found["inner"] == pytest.approx(keeps.inner, abs=0.1)
    assert found["rank"] == pytest.approx(keeps.rank, abs=0.1)


@pytest.mark.parametrize("compiled", [Switch.OFF, Switch.ON])
def test_stems_keep_what_the_formula_says_and_compiled_no_more(compiled: Switch) -> None:
    plain = whole_config()
    towers = (plain.featurizer, plain.fused_featurizer)
    first, second = (replace(tower, patch_size=4) for tower in towers)
    plain = replace(plain, featurizer=first, fused_featurizer=second)
    first, second = (replace(tower, stem_widths=(16, 32)) for tower in (first, second))
    stemmed = replace(plain, featurizer=first, fused_featurizer=second)
    config = FinetuneConfig(
        use_lora=False, batch_size=8, precision=Precision.BF16, compile=compiled, cuda_graph=Switch.OFF
    )
    foretold = planned_activations(stemmed, config) - planned_activations(plain, config)
    found = kept_of_a_pass(stemmed, config, "cuda") - kept_of_a_pass(plain, config, "cuda")
    print(f"compiled {compiled}: {found:,} bytes, predicted {foretold:,}")
    assert found <= 1.1 * foretold
    assert compiled is Switch.ON or found >= 0.9 * foretold


def planned_activations(model: OpenVLAConfig, config: FinetuneConfig) -> int:
    parts = plan(config, sizes_of(model), CARDS["H200"], 1).account.parts
    return next(part.size_bytes for part in parts if part.name.startswith("activations"))


@pytest.mark.usefixtures("is_deterministic")
def test_recomputed_gradients_are_the_same_for_less_memory() -> None:
    config = OpenVLAConfig(text=TextConfig(num_hidden_layers=4))
    peaks, gradients = [], []
    for level in Checkpointing:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        model = random_7b(config)
        adapted = add_lora(model, rank=8).cuda().train()
        model.recompute(level)
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
