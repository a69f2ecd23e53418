"""Augmentation: published ranges and order, and draws that depend on nothing but seed and position."""

import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from vlatrain.data.augment import (
    Draws,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    augment,
    draw,
    from_hsv,
    to_hsv,
)
from vlatrain.data.resize import crop_and_resize, to_bytes, to_unit

CPU = torch.device("cpu")
unit = st.floats(0, 1, width=32)


def pictures(count: int = 4, size: int = 28) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def draws_of(position: int, seed: int = 7) -> list[float]:
    return [float(one) for one in draw(seed, np.array([position]), CPU)]


@given(position=st.integers(0, 2**40), others=st.lists(st.integers(0, 2**40), max_size=4))
def test_a_samples_draws_follow_from_its_position_alone(position: int, others: list[int]) -> None:
    together = draw(7, np.array([*others, position]), CPU)
    assert [float(one[-1]) for one in together] == draws_of(position)


def test_draws_are_the_same_on_every_machine_and_version() -> None:
    np.testing.assert_allclose(
        draws_of(1000), [0.031143392, 0.018445918, -0.019149065, 0.8422941, 1.1855297, 0.031523179], rtol=1e-6
    )


def test_seeds_and_positions_draw_apart() -> None:
    assert len({tuple(draws_of(position, seed)) for position in range(30) for seed in range(5)}) == 150


def test_draws_fill_their_published_ranges_evenly() -> None:
    draws = draw(3, np.arange(4000), CPU)
    room = 1 - math.sqrt(0.9)
    ranges = {
        "top": (0, room),
        "left": (0, room),
        "brightness": (-0.2, 0.2),
        "contrast": (0.8, 1.2),
        "saturation": (0.8, 1.2),
        "hue": (-0.05, 0.05),
    }
    for name, (low, high) in ranges.items():
        values = getattr(draws, name).double()
        assert low <= values.min(), name
        assert values.max() <= high, name
        np.testing.assert_allclose(values.mean(), (low + high) / 2, atol=0.03 * (high - low), err_msg=name)
        np.testing.assert_allclose(values.std(), (high - low) / math.sqrt(12), rtol=0.05, err_msg=name)
    correlations = np.corrcoef(np.stack([one.numpy() for one in draws]))
    assert np.abs(correlations - np.eye(6)).max() < 0.06


def neutral(count: int) -> Draws:
    zero, one = torch.zeros(count), torch.ones(count)
    return Draws(top=zero, left=zero, brightness=zero, contrast=one, saturation=one, hue=zero)


def test_each_operation_is_applied_in_the_published_order_and_clipped_between() -> None:
    images, draws = pictures(), draw(5, np.arange(4), CPU)
    values = crop_and_resize(to_unit(images), draws.top, draws.left, math.sqrt(0.9)).clamp(0, 1)
    values = (values + draws.brightness.view(-1, 1, 1, 1)).clamp(0, 1)
    values = adjust_contrast(values, draws.contrast).clamp(0, 1)
    values = adjust_saturation(values, draws.saturation).clamp(0, 1)
    values = adjust_hue(values, draws.hue).clamp(0, 1)
    assert torch.equal(augment(images, draws), to_bytes(values))


def test_neutral_draws_only_crop() -> None:
    images = pictures()
    cropped = crop_and_resize(to_unit(images), torch.zeros(4), torch.zeros(4), math.sqrt(0.9))
    difference = augment(images, neutral(4)).int() - to_bytes(cropped).int()
    assert difference.abs().max() <= 1


def test_a_picture_is_augmented_the_same_in_any_batch() -> None:
    images = pictures(6)
    together = augment(images, draw(5, np.arange(6), CPU))
    for place in range(6):
        alone = augment(images[place : place + 1], draw(5, np.array([place]), CPU))
        assert torch.equal(alone[0], together[place])


def test_contrast_moves_away_from_the_mean_of_each_channel() -> None:
    values = to_unit(pictures(2))
    factors = torch.tensor([0.8, 1.2])
    changed = adjust_contrast(values, factors)
    for one, before, factor in zip(changed, values, factors, strict=True):
        mean = before.mean((0, 1))
        np.testing.assert_allclose(one, (before - mean) * factor + mean, atol=1e-6)


@given(red=unit, green=unit, blue=unit)
def test_hsv_agrees_with_the_standard_library_both_ways(red: float, green: float, blue: float) -> None:
    values = torch.tensor([red, green, blue]).view(1, 1, 1, 3)
    hue, saturation, value = (float(one) for one in to_hsv(values))
    expected = colorsys.rgb_to_hsv(red, green, blue)
    np.testing.assert_allclose((saturation, value), expected[1:], rtol=1e-4, atol=1e-5)
    circle = abs(hue - expected[0])
    assert min(circle, 1 - circle) * saturation * value < 1e-4  # the hue of grey is nothing
    np.testing.assert_allclose(from_hsv(*to_hsv(values)).reshape(-1), [red, green, blue], atol=1e-5)


@pytest.mark.parametrize("turn", [-0.05, 0.03])
def test_hue_and_saturation_agree_with_the_standard_library(turn: float) -> None:
    values = to_unit(pictures(1, size=6))
    turned = adjust_hue(values, torch.tensor([turn]))[0].reshape(-1, 3)
    richer = adjust_saturation(values, torch.tensor([1.2]))[0].reshape(-1, 3)
    for before, after_hue, after_saturation in zip(values.reshape(-1, 3), turned, richer, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before.tolist())
        np.testing.assert_allclose(after_hue, colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), atol=1e-5)
        np.testing.assert_allclose(
            after_saturation, colorsys.hsv_to_rgb(hue, min(1, saturation * 1.2), value), atol=1e-5
        )
