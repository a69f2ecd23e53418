"""Distances between covariances of pooled states, through inner products of the samples: no D x D matrix is made.

For centred samples X [m, D] and Y [n, D]:
|X'X/m - Y'Y/n|^2 = |XX'|^2/m^2 - 2 |XY'|^2/(mn) + |YY'|^2/n^2. All of it in fp64, for it is a small difference.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

LEAST_TO_SHRINK = 3


class Covariance(Protocol):
    """A covariance C by what is asked of it."""

    frobenius: float
    trace: float

    def overlap(self, centred: Tensor) -> float:
        """tr(S C), where S is the covariance of the centred samples [m, D]."""


@dataclass(slots=True)
class SampleCovariance:
    """The covariance, divided by n, of samples [n, D]."""

    samples: Tensor
    frobenius: float = field(init=False)
    trace: float = field(init=False)
    _centred: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._centred = centre(self.samples)
        products = inner(self._centred, self._centred)
        self.frobenius = float(products.square().sum().sqrt()) / len(products)
        self.trace = float(products.trace()) / len(products)

    def overlap(self, centred: Tensor) -> float:
        return float(inner(centred, self._centred).square().sum()) / (len(centred) * len(self._centred))


@dataclass(slots=True)
class MatrixCovariance:
    """A covariance that is known as a matrix [D, D], as the original program writes it."""

    matrix: Tensor
    frobenius: float = field(init=False)
    trace: float = field(init=False)

    def __post_init__(self) -> None:
        self.matrix = self.matrix.double()
        self.frobenius = float(self.matrix.square().sum().sqrt())
        self.trace = float(self.matrix.trace())

    def overlap(self, centred: Tensor) -> float:
        return float(((centred @ self.matrix) * centred).sum()) / len(centred)


def centre(samples: Tensor) -> Tensor:
    """Samples [n, D] in fp64, less their mean."""
    samples = samples.double()
    return samples - samples.mean(0)


def inner(one: Tensor, other: Tensor) -> Tensor:
    """All inner products of the rows of both."""
    return one @ other.T


def distance(samples: Tensor, teacher: Covariance) -> float:
    """The Frobenius distance of the covariance of `samples` [m, D] from the teacher's."""
    x = centre(samples)
    own = float(inner(x, x).square().sum()) / len(x) ** 2
    return math.sqrt(max(0.0, own - 2 * teacher.overlap(x) + teacher.frobenius**2))


def shrunk_distance(samples: Tensor, teacher: Covariance) -> float:
    """The same after the samples' covariance was shrunk towards the teacher's as far as it is noise.

    Ledoit and Wolf (2004) with the teacher's covariance as the target: a distance that sampling alone explains counts
    as none, and a large one stays what it is. Their estimate of the noise is for many samples; the divisor m - 2 in
    place of m makes it right for few normal ones, and takes at least three.
    """
    x = centre(samples)
    products = inner(x, x)
    own = float(products.square().sum()) / len(x) ** 2
    squared = own - 2 * teacher.overlap(x) + teacher.frobenius**2
    noise = max(0.0, float(products.diagonal().square().sum()) / len(x) - own) / (len(x) - 2)
    return math.sqrt(squared) * (1 - noise / squared) if squared > noise else 0.0


def paired_distance(samples: Tensor, teacher_samples: Tensor) -> float:
    """The distance between the covariances of student and teacher over the very same inputs, [m, D] each."""
    return distance(samples, SampleCovariance(teacher_samples))


def sampling_noise(teacher: Covariance, samples: int) -> float:
    """How far the covariance of that many samples lies from the teacher's though nothing drifted: root mean square.

    Exact where states are normal. A sample covariance divided by m of m - 1 degrees of freedom has a bias besides.
    """
    freedom = samples - 1
    spread = freedom * (teacher.frobenius**2 + teacher.trace**2) / samples**2
    return math.sqrt(spread + (teacher.frobenius / samples) ** 2)
