"""From logits to probabilities, at a temperature."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def log_softmax(logits: NDArray[Any], temperature: float = 1.0) -> Array:
    """Return ln p_j = z_j / T - ln sum_k exp(z_k / T), with p as `softmax` has it."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True)), np.float64)


def softmax(logits: NDArray[Any], temperature: float = 1.0) -> Array:
    """Return p_j = exp(z_j / T) / sum_k exp(z_k / T): the soft targets (Hinton et al., arXiv:1503.02531).

    Args:
        logits: z (n, classes), or logarithms of probabilities.
        temperature: T, above 0.

    Returns:
        (n, classes); each row sums to 1.
    """
    return np.asarray(np.exp(log_softmax(logits, temperature)), np.float64)
