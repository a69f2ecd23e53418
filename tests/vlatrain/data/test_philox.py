"""Random numbers drawn for many counters at once are numpy's own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from vlatrain.data.philox import philox

word = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(key=st.tuples(word, word), seconds=st.lists(word, max_size=5), third=word, count=st.integers(1, 11))
def test_many_counters_at_once_draw_what_numpy_draws_for_each(
    key: tuple[int, int], seconds: list[int], third: int, count: int
) -> None:
    drawn = philox(key, np.array(seconds, np.uint64), third, count)
    assert drawn.shape == (len(seconds), count)
    for second, found in zip(seconds, drawn, strict=True):
        counter, keys = np.array([0, second, third, 0], np.uint64), np.array(key, np.uint64)
        assert np.array_equal(found, np.random.Philox(key=keys, counter=counter).random_raw(count))
