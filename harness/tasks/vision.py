"""Image classification, 10 classes: CIFAR-10 (Krizhevsky, 2009)."""

import numpy as np

from harness.tasks import data
from harness.tasks.dataset import Dataset

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar10() -> Dataset:
    """Return the 1,017 lossless test pictures, uint8 32x32x3."""
    with np.load(data.require("cifar10", "cifar10", "cifar10_lossless_part.npz")) as content:
        pictures, labels = content["x_test"], content["y_test"]
    return Dataset("cifar10", "picture", tuple(LABELS[label] for label in labels), lambda chosen: pictures[chosen])
