"""Distances of covariances against the matrices that they avoid."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from vlatrain.method.covariance import (
    Covariance,
    MatrixCovariance,
    SampleCovariance,
    distance,
    paired_distance,
    sampling_noise,
    shrunk_distance,
)

WIDTH = 12


def samples(count: int, seed: int, width: int = WIDTH, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.rand(width, generator=generator) * scale + 0.1
    return torch.randn(count, width, generator=generator) * spread + 3.0


def matrix(x: Tensor) -> Tensor:
    """The covariance as the original program computes it."""
    centred = x.double() - x.double().mean(0)
    return centred.T @ centred / len(x)


@given(m=st.integers(1, 9), n=st.integers(1, 20), width=st.integers(1, 8), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_it_is_the_distance_of_the_matrices(m: int, n: int, width: int, seed: int) -> None:
    x, y = samples(m, seed, width), samples(n, seed + 1, width)
    expected = float((matrix(x) - matrix(y)).norm())
    assert distance(x, SampleCovariance(y)) == pytest.approx(expected, abs=1e-6)
    assert distance(x, MatrixCovariance(matrix(y))) == pytest.approx(expected, abs=1e-6)
    if m == n:
        assert paired_distance(x, y) == pytest.approx(expected, abs=1e-6)


def test_a_known_distance() -> None:
    """Two points at -1 and 1 on the first axis against two on the second: [[1, 0], [0, -1]], of length root 2."""
    x, y = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    assert distance(x, SampleCovariance(y)) == pytest.approx(2**0.5)
    assert distance(x, SampleCovariance(x + 7)) == 0.0


@pytest.mark.parametrize("of", [SampleCovariance, lambda y: MatrixCovariance(matrix(y))], ids=["samples", "matrix"])
def test_length_and_trace_of_the_teacher(of: type[SampleCovariance]) -> None:
    y = samples(9, 1)
    teacher: Covariance = of(y)
    assert teacher.frobenius == pytest.approx(float(matrix(y).norm()))
    assert teacher.trace == pytest.approx(float(matrix(y).trace()))


def test_small_differences_of_large_states_are_exact() -> None:
    """The distance is a millionth of the numbers whose difference it is."""
    y = samples(50, 1) * 100
    x = y + 1e-4 * samples(50, 2)
    expected = float((matrix(x) - matrix(y)).norm())
    assert expected < 2e-6 * float(matrix(y).norm())
    assert paired_distance(x, y) == pytest.approx(expected, rel=1e-2)


def test_shrinkage_is_that_of_ledoit_and_wolf_towards_the_teacher() -> None:
    """Written out with the matrices of every single sample."""
    x, y = samples(6, 1, scale=3.0), samples(200, 2)
    own, target = matrix(x), matrix(y)
    centred = x.double() - x.double().mean(0)
    noise = sum(float((torch.outer(row, row) - own).square().sum()) for row in centred) / len(x) / (len(x) - 2)
    share = min(1.0, noise / float((own - target).square().sum()))
    expected = float((((1 - share) * own + share * target) - target).norm())
    assert 0 < share < 1
    assert shrunk_distance(x, SampleCovariance(y)) == pytest.approx(expected)
    assert shrunk_distance(x, MatrixCovariance(target)) == pytest.approx(expected)


@pytest.mark.parametrize("size", [4, 16])
def test_shrinkage_takes_sampling_for_what_it_is_and_leaves_a_drift(size: int) -> None:
    """Few samples each time: of the teacher's own states little or nothing is left, of others a drift shows."""
    y = samples(size * 40, 1)
    teacher = MatrixCovariance(matrix(y))

    def median(states: Tensor, of: Callable[[Tensor, Covariance], float]) -> float:
        return sorted(of(states[at : at + size], teacher) for at in range(0, len(states), size))[20]

    assert median(y, shrunk_distance) < 0.25 * median(y, distance)
    assert median(3 * y, shrunk_distance) > 4 * median(y, shrunk_distance)


@pytest.mark.parametrize("size", [2, 4, 32])
def test_the_noise_of_a_probe_is_foretold(size: int) -> None:
    """Against many draws of normal states that did not drift."""
    y = samples(400 * size, 3)
    teacher = MatrixCovariance(matrix(samples(20_000, 3)))
    found = [distance(y[at : at + size], teacher) ** 2 for at in range(0, len(y), size)]
    assert sampling_noise(teacher, size) == pytest.approx((sum(found) / len(found)) ** 0.5, rel=0.1)


def test_a_probe_that_is_paired_with_the_teacher_has_no_noise() -> None:
    y = samples(4, 1)
    assert paired_distance(y, y) == 0.0
    assert paired_distance(1.1 * y, y) == pytest.approx(0.21 * float(matrix(y).norm()))
