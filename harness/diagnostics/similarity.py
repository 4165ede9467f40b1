"""Which classes a teacher finds alike: the "dark knowledge" in its soft targets (Hinton et al., arXiv:1503.02531)."""

from dataclasses import dataclass

import numpy as np

from harness.diagnostics.softmax import Array, Labels


@dataclass(frozen=True)
class Pair:
    """Two classes: `true` is right, and `other` gets the mean probability `share`."""

    true: int
    other: int
    share: float


def similarity(probabilities: Array, labels: Labels) -> Array:
    """Return S_ij = mean of p_j over the items of class i, (classes, classes).

    Args:
        probabilities: (n, classes), each row sums to 1.
        labels: (n,).

    Returns:
        Each row sums to 1; NaN in the row of a class without items.
    """
    classes = probabilities.shape[1]
    sums = np.zeros((classes, classes))
    np.add.at(sums, labels, probabilities)
    counts = np.bincount(labels, minlength=classes)[:, None]
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def strongest(matrix: Array, count: int = 8) -> tuple[Pair, ...]:
    """Return the largest entries of `similarity` off its diagonal, the largest first."""
    shares = np.where(np.eye(len(matrix), dtype=bool) | np.isnan(matrix), -1.0, matrix)
    order = np.argsort(-shares, axis=None, kind="stable")[:count]
    places = zip(*np.unravel_index(order, shares.shape), strict=True)
    return tuple(Pair(int(i), int(j), float(shares[i, j])) for i, j in places if shares[i, j] >= 0)
