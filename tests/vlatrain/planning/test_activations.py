"""What the plan counts of a step besides blocks, beside what torch keeps: stems, pictures, chunks, the head."""

from dataclasses import replace
from typing import Any

import pytest
from kept_of_passes import kept_of_a_pass
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.model.config import OpenVLAConfig
from vlatrain.planning.cards import CARDS
from vlatrain.planning.plan import plan
from vlatrain.planning.sizes import BlockSize, sizes_of
from vlatrain.planning.speed import step_operations

ROWS = 3
H200 = CARDS["H200"]
FP32, BF16 = Precision.FP32, Precision.BF16
EMPTY = BlockSize(0, (), 0, 0, 0)
WHOLE = FinetuneConfig(use_lora=False, batch_size=ROWS, lora_rank=8)


def planned(model: OpenVLAConfig, config: FinetuneConfig) -> int:
    """Bytes of activations that the plan tells."""
    parts = plan(config, sizes_of(model), H200, 1).account.parts
    return next(part.size_bytes for part in parts if part.name.startswith("activations"))


@pytest.fixture(scope="module")
def plain(stemmed_config: OpenVLAConfig) -> OpenVLAConfig:
    """As `stemmed_config`, with patches of 4 pixels that a product embeds."""
    towers = (stemmed_config.featurizer, stemmed_config.fused_featurizer)
    first, second = (replace(tower, stem_widths=()) for tower in towers)
    return replace(stemmed_config, featurizer=first, fused_featurizer=second)


@pytest.mark.parametrize("precision", [FP32, BF16])
def test_what_stems_add_is_what_torch_keeps_for_them(
    precision: Precision, plain: OpenVLAConfig, stemmed_config: OpenVLAConfig
) -> None:
    for pictures in (1, 2):
        without, given = (replace(one, pictures=pictures) for one in (plain, stemmed_config))
        config = replace(WHOLE, precision=precision, use_wrist_image=pictures > 1)
        added = kept_of_a_pass(given, config) - kept_of_a_pass(without, config)
        assert planned(given, config) - planned(without, config) == pytest.approx(added, rel=0.1)


def test_a_frozen_stem_keeps_nothing(plain: OpenVLAConfig, stemmed_config: OpenVLAConfig) -> None:
    config = replace(WHOLE, use_lora=True, precision=BF16)
    assert kept_of_a_pass(stemmed_config, config) == kept_of_a_pass(plain, config)
    assert planned(stemmed_config, config) == planned(plain, config)


@pytest.mark.parametrize(("precision", "use_lora"), [(FP32, False), (BF16, False), (FP32, True), (BF16, True)])
def test_what_foretelling_the_hand_s_state_adds_is_what_torch_keeps_for_it(
    precision: Precision, use_lora: bool, plain: OpenVLAConfig
) -> None:
    config = replace(WHOLE, precision=precision, use_lora=use_lora)
    asked = replace(config, proprio_loss_weight=1.0)
    added = kept_of_a_pass(plain, asked) - kept_of_a_pass(plain, config)
    assert planned(plain, asked) - planned(plain, config) == pytest.approx(added, rel=0.1)


@pytest.mark.parametrize("more", [{"pictures": 2}, {"chunk": 8}, {"pictures": 2, "state_size": 8, "chunk": 8}], ids=str)
def test_further_pictures_and_actions_are_counted_with_what_their_computation_needs_besides(
    more: dict[str, Any], plain: OpenVLAConfig
) -> None:
    """The plan also counts what a block of the decoder needs while it is computed, and rounds the projector up."""
    config = replace(WHOLE, precision=FP32)
    larger = replace(plain, **more)
    added = kept_of_a_pass(larger, config) - kept_of_a_pass(plain, config)
    assert added <= planned(larger, config) - planned(plain, config) <= 1.6 * added


def test_pictures_attend_to_themselves_alone(plain: OpenVLAConfig) -> None:
    one, two = (sizes_of(replace(plain, pictures=pictures)) for pictures in (1, 2))
    foretold = [step_operations(WHOLE, replace(one, towers=sizes.towers)) for sizes in (one, two)]
    towers = foretold[1] - foretold[0]
    assert foretold[0] - step_operations(WHOLE, replace(one, towers=(EMPTY, EMPTY))) == towers
