"""Mixtures of data sets: what their names mean, and how often each frame comes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.mixture import Mixture, repeats
from vlatrain.data.names import Part, made_for, mixture_parts
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.training_set import open_training_set
from vlatrain.errors import TrainerError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("libero_goal", [Part("libero_goal", 1)]),
        ("libero_goal, libero_10:0.5", [Part("libero_goal", 1), Part("libero_10", 0.5)]),
        ("a:2,b:3", [Part("a", 2), Part("b", 3)]),
    ],
)
def test_names_and_weights_are_read(text: str, parts: list[Part]) -> None:
    assert mixture_parts(text) == tuple(parts)


@pytest.mark.parametrize("text", ["", "a,", "a:0", "a:-1", "a:x", "a:inf", "a:nan", ":1", "a,a:2"])
def test_names_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(TrainerError, match="--dataset_name "):
        mixture_parts(text)


@pytest.mark.parametrize(
    ("weights", "counts"), [([1, 1], [1, 1]), ([1, 3], [1, 3]), ([1, 1.5], [2, 3]), ([0.7, 1.0], [7, 10]), ([5], [1])]
)
def test_repeats_are_the_smallest_whole_numbers(weights: list[float], counts: list[int]) -> None:
    assert repeats(weights) == counts


@given(weights=st.lists(st.floats(0.05, 20), min_size=1, max_size=6))
def test_repeats_follow_any_weights_closely(weights: list[float]) -> None:
    counts = repeats(weights)
    assert min(counts) >= 1
    ratios = np.array(counts) / np.array(weights)
    assert ratios.max() / ratios.min() < 1.1


def test_every_frame_of_a_set_comes_equally_often_and_by_weight(make_set: Callable[..., Path]) -> None:
    sets = [RLDSDataset(make_set(3, 4, name="libero_a")), RLDSDataset(make_set(2, name="libero_b", shards=1))]
    mixture = Mixture(sets, [2, 3])
    frames = [mixture[place] for place in range(len(mixture))]
    assert len(frames) == 2 * 7 + 3 * 2
    seen = Counter(frame.action.tobytes() for frame in frames)
    for one, times in zip(sets, (2, 3), strict=True):
        assert {seen[one[place].action.tobytes()] for place in range(len(one))} == {times}
    assert set(mixture.statistics) == {"libero_a", "libero_b"}


def test_a_mixture_is_trained_on_by_name(make_set: Callable[..., Path], tmp_path: Path) -> None:
    root = make_set(2, 2, name="libero_a").parent
    make_set(2, 2, name="libero_b")
    config = FinetuneConfig(data_root_dir=root, cache_dir=tmp_path / "cache", dataset_name="libero_a,libero_b:2")
    assert len(open_training_set(config)) == 4 + 2 * 4


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["libero_90"], "libero_90"),
        (["libero_90", "libero_goal"], "libero_goal"),
        (["libero_90", "libero_goal_no_noops"], "libero_goal_no_noops"),
        (["libero_90", "libero_object"], None),
    ],
)
def test_a_suite_goes_by_the_set_of_its_name_where_there_are_several(names: list[str], chosen: str | None) -> None:
    assert made_for("libero_goal", names) == chosen
