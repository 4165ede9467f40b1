"""What is said of predictions, in numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def predictions(outputs: NDArray[Any]) -> Integers:
    """Return the class of the largest output of each row (n, ...); the first one wins a tie."""
    return np.asarray(outputs.reshape(len(outputs), -1).argmax(axis=1), np.int64)


def top1(predicted: Integers, labels: Integers) -> float:
    """Return the share of right predictions, percent."""
    return 100.0 * float(np.mean(predicted == labels))


def confusion_matrix(predicted: Integers, labels: Integers, classes: int) -> Integers:
    """Return counts (classes, classes): rows are the true class, columns the predicted one."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix
