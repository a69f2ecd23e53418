"""Every sample once an epoch, whatever the ranks and wherever a run was stopped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatrain.data.order import indices_at, rank_positions, sample_order


@given(seed=st.integers(0, 2**63), epoch=st.integers(0, 1000), n=st.integers(1, 500))
def test_an_epoch_is_a_permutation(seed: int, epoch: int, n: int) -> None:
    assert sorted(sample_order(seed, epoch, n).tolist()) == list(range(n))


def test_the_order_is_the_same_on_every_machine_and_version() -> None:
    assert sample_order(7, 0, 8).tolist() == [4, 1, 6, 3, 2, 7, 5, 0]
    assert sample_order(7, 1, 8).tolist() == [3, 1, 6, 2, 5, 4, 0, 7]


def test_seeds_and_epochs_differ() -> None:
    orders = {tuple(sample_order(seed, epoch, 50).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(n=st.integers(1, 40), position=st.integers(0, 200), count=st.integers(1, 90))
def test_a_batch_across_epochs_is_what_single_samples_are(n: int, position: int, count: int) -> None:
    together = indices_at(3, n, np.arange(position, position + count))
    assert together.tolist() == [
        int(sample_order(3, place // n, n)[place % n]) for place in range(position, position + count)
    ]


@given(
    n=st.integers(1, 60),
    stages=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6)), min_size=1, max_size=4),
)
def test_a_resume_with_other_ranks_sees_every_sample_of_the_epoch_once(
    n: int, stages: list[tuple[int, int, int]]
) -> None:
    """Each stage is (ranks, batch, steps); the run is stopped and resumed between stages, then finishes its epoch."""
    position, seen = 0, []
    for ranks, batch, steps in [*stages, (1, 1, n)]:
        for _ in range(steps):
            for rank in range(ranks):
                positions = rank_positions(position, batch, rank, ranks)
                seen += list(zip(positions.tolist(), indices_at(11, n, positions).tolist(), strict=True))
            position += batch * ranks
    assert sorted(place for place, _ in seen) == list(range(position))
    for epoch in range(position // n):
        visited = [sample for place, sample in seen if place // n == epoch]
        assert sorted(visited) == list(range(n))


@given(ranks=st.integers(1, 8), batch=st.integers(1, 8), position=st.integers(0, 100))
def test_ranks_take_interleaved_slices_that_never_overlap(ranks: int, batch: int, position: int) -> None:
    slices = [rank_positions(position, batch, rank, ranks) for rank in range(ranks)]
    assert np.stack(slices, axis=1).reshape(-1).tolist() == list(range(position, position + batch * ranks))


def test_an_order_cannot_be_changed_by_its_users() -> None:
    with pytest.raises(ValueError, match="read-only"):
        sample_order(1, 0, 4)[0] = 2


def test_a_million_frames_take_four_bytes_each() -> None:
    assert sample_order(1, 0, 1_000_000).nbytes == 4_000_000
