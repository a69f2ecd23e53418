"""The numbers of actions: published statistics, normalisation, and the gripper's two directions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatrain.data.actions import (
    libero_gripper,
    normalise,
    summarise,
    to_environment,
    transform_for,
    unnormalise,
)
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.statistics import dataset_statistics, load_statistics, save_statistics
from vlatrain.errors import TrainerError


def actions(count: int = 400) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(count, 7)).astype(np.float32)
    values[:, 5] = 0.25  # never varies
    values[:, 6] = rng.integers(0, 2, count)
    return values


def test_statistics_are_those_of_the_published_convention() -> None:
    values = actions()
    whole = dataset_statistics(values, episodes=9)
    action = whole["action"]
    found: dict[str, Any] = {**action}
    for name, expected in {
        "mean": values.mean(0),
        "std": values.std(0),
        "max": values.max(0),
        "min": values.min(0),
        "q01": np.quantile(values, 0.01, axis=0),
        "q99": np.quantile(values, 0.99, axis=0),
    }.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-7, err_msg=name)
    assert action["mask"] == [True] * 6 + [False]
    assert (whole["num_transitions"], whole["num_trajectories"]) == (400, 9)
    assert whole["proprio"]["std"] == [0.0] * 7


def test_normalised_actions_lie_between_their_quantiles_and_the_gripper_is_left_alone() -> None:
    values = actions()
    statistics = summarise(values)
    q01, q99 = np.array(statistics["q01"]), np.array(statistics["q99"])
    result = normalise(values, statistics)
    expected = np.clip(2 * (values - q01) / (q99 - q01 + 1e-8) - 1, -1, 1)
    np.testing.assert_allclose(result[:, :5], expected[:, :5], atol=1e-6)
    assert (result[:, 5] == 0).all()
    np.testing.assert_array_equal(result[:, 6], values[:, 6])
    assert result.min() == -1
    assert result.max() == 1


@given(row=st.lists(st.floats(-1, 1, width=32), min_size=7, max_size=7))
def test_unnormalising_undoes_normalising_within_the_quantiles(row: list[float]) -> None:
    statistics = summarise(actions())
    varying = [0, 1, 2, 3, 4, 6]
    raw = unnormalise(row, statistics)
    np.testing.assert_allclose(normalise(raw, statistics)[varying], np.array(row)[varying], atol=1e-5)


@pytest.mark.parametrize(
    ("stored", "standard"),
    [(-1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.25, 0.75)],
    ids=["open", "zero", "close", "between"],
)
def test_the_libero_gripper_is_clipped_and_inverted(stored: float, standard: float) -> None:
    action = np.array([[0.1, -0.2, 0.3, 0.4, 0.5, 0.6, stored]], np.float32)
    turned = libero_gripper(action)
    assert turned[0, 6] == standard
    np.testing.assert_array_equal(turned[:, :6], action[:, :6])
    assert action[0, 6] == np.float32(stored)


@pytest.mark.parametrize("stored", [-1.0, 1.0], ids=["open", "close"])
def test_what_was_stored_reaches_the_environment_again(stored: float) -> None:
    values = actions()
    values[:, 6] = np.where(values[:, 6] > 0, 1, -1)
    standard = libero_gripper(values)
    statistics = summarise(standard)
    one = np.clip(values[3], np.array(statistics["q01"]), np.array(statistics["q99"]))
    one[5:] = 0.25, stored
    predicted = normalise(libero_gripper(one.astype(np.float32)), statistics)
    reached = to_environment(unnormalise(predicted, statistics))
    np.testing.assert_allclose(reached, one, atol=1e-5)


def test_the_transform_follows_from_the_name() -> None:
    assert transform_for("libero_10_no_noops") is libero_gripper
    assert transform_for("tabletop_new") is libero_gripper
    with pytest.raises(TrainerError, match="'bridge_orig'"):
        transform_for("bridge_orig")


def test_statistics_survive_their_file(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    statistics = RLDSDataset(make_set(5, 5)).statistics
    save_statistics(tmp_path, statistics)
    assert load_statistics(tmp_path) == statistics
    assert load_statistics(tmp_path / "dataset_statistics.json") == statistics


def test_old_statistics_without_a_mask_normalise_everything(tmp_path: Path) -> None:
    path = tmp_path / "dataset_statistics.json"
    path.write_text(json.dumps({"a": {"action": {"q01": [0.0, 1.0], "q99": [2.0, 3.0]}}}))
    action = load_statistics(tmp_path)["a"]["action"]
    assert action["mask"] == [True, True]
    assert unnormalise([1.0, -1.0], action).tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as dataset statistics"),
        ("{", "cannot be read as dataset statistics"),
        ("[]", "no statistics by data set name"),
        ('{"a": {"proprio": {}}}', "a has no action.q01 and action.q99"),
    ],
)
def test_unusable_statistics_are_refused_by_name(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "dataset_statistics.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TrainerError, match=rf"dataset_statistics\.json: {message}"):
        load_statistics(path)
