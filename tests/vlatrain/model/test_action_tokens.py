"""Actions to tokens and back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vlatrain.model.action_tokens import ActionTokenizer

LLAMA = ActionTokenizer(256, 32000)


@pytest.mark.parametrize(
    ("action", "token"),
    [(-1.0, 31999), (1.0, 31744), (-5.0, 31999), (5.0, 31744), (0.0, 31872), (0.999, 31745)],
)
def test_the_published_ids(action: float, token: int) -> None:
    assert LLAMA.encode(action) == token


@given(st.floats(-1, 1))
def test_a_round_trip_is_off_by_half_a_bin_at_most(action: float) -> None:
    assert abs(float(LLAMA.decode(LLAMA.encode(action))) - action) <= 1 / 255 + 1e-7


def test_every_centre_comes_back_as_its_own_token() -> None:
    ids = np.arange(31745, 32000)
    assert (LLAMA.encode(LLAMA.decode(ids)) == ids).all()


def test_shapes_stay() -> None:
    ids = LLAMA.encode(np.zeros((2, 3, 7), np.float32))
    assert ids.shape == (2, 3, 7)
    assert LLAMA.decode(ids).shape == (2, 3, 7)
    assert LLAMA.decode(ids).dtype == np.float64


def test_the_tensor_way_agrees_for_every_id_of_the_vocabulary() -> None:
    ids = np.arange(32064)
    np.testing.assert_allclose(LLAMA.decode_tensor(torch.from_numpy(ids)).numpy(), LLAMA.decode(ids), atol=1e-6)


def test_an_id_that_is_no_action_becomes_the_nearest_end() -> None:
    assert LLAMA.decode([2, 32010]) == pytest.approx([1 - 1 / 255, -1 + 1 / 255])


def test_a_small_vocabulary_keeps_its_actions_at_its_end() -> None:
    tiny = ActionTokenizer(256, 300)
    assert (tiny.first_id, int(tiny.encode(-1.0)), int(tiny.encode(1.0))) == (44, 299, 44)
