"""Does a model know how sure it may be? Reliability, its error, and the temperature that mends it.

Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnostics.softmax import Array, Labels, log_softmax, softmax

BINS = 15
"""As in the paper."""
RANGE = (0.05, 20.0)
"""Where `best_temperature` looks."""


@dataclass(frozen=True)
class Bin:
    """The answers whose confidence is above `low` and at most `high` (the first bin has 0, too).

    Attributes:
        low: 0 to 1.
        high: 0 to 1.
        count: of the answers.
        confidence: their mean, 0 to 1; None without an answer.
        accuracy: the share that is right, 0 to 1; None without an answer.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def reliability(probabilities: Array, labels: Labels, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the bins of a reliability diagram: of equal width over the confidence, the largest probability of a row.

    Args:
        probabilities: (n, classes), each row sums to 1.
        labels: (n,) indices of the right classes.
        bins: how many.
    """
    confidence = np.clip(probabilities.max(axis=1), 0, 1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    member = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return tuple(
        Bin(float(edges[number]), float(edges[number + 1]), *_inside(confidence[own], right[own]))
        for number in range(bins)
        for own in [member == number]
    )


def _inside(confidence: Array, right: NDArray[np.bool_]) -> tuple[int, float | None, float | None]:
    count = len(confidence)
    return count, float(confidence.mean()) if count else None, float(right.mean()) if count else None


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the expected calibration error, 0 to 1: sum_b n_b / n |accuracy_b - confidence_b| (Guo et al., eq. 3)."""
    total = sum(each.count for each in bins)
    gaps = (each.count * abs((each.accuracy or 0.0) - (each.confidence or 0.0)) for each in bins)
    return sum(gaps) / total if total else 0.0


def likelihood_loss(logits: NDArray[Any], labels: Labels, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the right classes at a temperature, in nats."""
    return -float(log_softmax(logits, temperature)[np.arange(len(labels)), labels].mean())


def best_temperature(logits: NDArray[Any], labels: Labels) -> float:
    """Return the temperature with the least `likelihood_loss`: temperature scaling (Guo et al., section 4.2).

    The loss is convex in b = 1 / T, and its slope is mean(sum_j p_j z_j - z_label): the root is found by halving.

    Args:
        logits: (n, classes).
        labels: (n,).

    Returns:
        T within `RANGE`; an end of it where the loss falls on beyond (every answer right, or none better than chance).
    """
    logits = np.asarray(logits, np.float64)
    given = logits[np.arange(len(labels)), labels]
    low, high = 1 / RANGE[1], 1 / RANGE[0]
    for _ in range(50):
        middle = (low + high) / 2
        slope = ((softmax(logits, 1 / middle) * logits).sum(axis=1) - given).mean()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.clip(2 / (low + high), *RANGE))


@dataclass(frozen=True)
class Calibration:
    """How well a model's confidence tells how often it is right, at one temperature.

    Attributes:
        temperature: that the logits are divided by.
        error: expected calibration error, 0 to 1.
        loss: mean negative log-likelihood, nats.
        bins: of the reliability diagram.
    """

    temperature: float
    error: float
    loss: float
    bins: tuple[Bin, ...]


def calibration(logits: NDArray[Any], labels: Labels, temperature: float = 1.0) -> Calibration:
    """Return the calibration of logits (n, classes) with labels (n,) at a temperature."""
    bins = reliability(softmax(logits, temperature), labels)
    loss = likelihood_loss(logits, labels, temperature)
    return Calibration(temperature, calibration_error(bins), loss, bins)
