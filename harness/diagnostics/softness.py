"""How much a teacher's soft targets say beyond its answer, by temperature (Hinton et al., arXiv:1503.02531)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnostics.softmax import Array, Labels, softmax

TEMPERATURES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


@dataclass(frozen=True)
class Softness:
    """The soft targets at one temperature.

    Attributes:
        temperature: T.
        entropy_bits: mean over the items, 0 to log2(classes).
        right: mean probability of the right class.
        runner_up: mean of the largest probability of the other classes.
    """

    temperature: float
    entropy_bits: float
    right: float
    runner_up: float


def entropy_bits(probabilities: Array) -> Array:
    """Return (n,) H = -sum_j p_j log2 p_j of (n, classes), with 0 log 0 = 0 (Shannon, 1948)."""
    logarithms = np.log2(np.where(probabilities > 0, probabilities, 1.0))
    return np.asarray(np.maximum(-(probabilities * logarithms).sum(axis=1), 0.0), np.float64)


def softness(
    logits: NDArray[Any], labels: Labels, temperatures: Sequence[float] = TEMPERATURES
) -> tuple[Softness, ...]:
    """Return what the soft targets are like at each temperature.

    Args:
        logits: (n, classes), at least two classes.
        labels: (n,).
        temperatures: T, above 0 each.
    """
    return tuple(_at(logits, labels, temperature) for temperature in temperatures)


def _at(logits: NDArray[Any], labels: Labels, temperature: float) -> Softness:
    probabilities = softmax(logits, temperature)
    rows = np.arange(len(labels))
    right = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1
    entropy = entropy_bits(probabilities).mean()
    return Softness(float(temperature), float(entropy), float(right.mean()), float(others.max(axis=1).mean()))
