"""Coloured pictures as training material, and a user's own folder of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.tasks import folders, vision
from harness.tasks.dataset import Dataset
from harness.tasks.images import Shape
from harness.train.examples import pick


@dataclass(frozen=True)
class Images:
    """Labelled pictures: `pixels` uint8 (n, height, width, colours), `labels` int64 (n,), indices of classes; files."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse pictures that have lost their labels."""
        if len(self.pixels) != len(self.labels):
            raise ValueError(f"expected a label a picture, got {len(self.labels)} for {len(self.pixels)}")

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)

    def first(self, count: int) -> "Images":
        """Return at most `count` of them, taken evenly over all (they may lie in order of class)."""
        chosen = evenly(len(self), count)
        return Images(self.pixels[chosen], self.labels[chosen], pick(self.names, chosen))


@dataclass(frozen=True)
class Vision:
    """What a student of pictures is trained with.

    Attributes:
        training: what is learned from.
        validation: what is chosen by.
        classes: in the order of the labels' indices.
        notes: what a user should know of the material, one line each.
    """

    training: Images
    validation: Images
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def evenly(size: int, count: int) -> NDArray[np.int64]:
    """Return at most `count` indices, spread evenly over `size` items."""
    return np.linspace(0, size - 1, min(count, size)).astype(np.int64)


def folder(path: Path, shape: Shape) -> Vision:
    """Read a folder with one folder of pictures a class.

    Its splits train and validation are what is learned from; harness/tasks/split.py says how they are made.

    Args:
        path: the folder.
        shape: height, width and colours; pictures of another size are resized.

    Raises:
        UserError: no pictures, a single class, or a class that a split lacks.
    """
    training, validation = (vision.folder(path, split, shape) for split in ("train", "validation"))
    for dataset in (training, validation):
        folders.check_trainable(dataset)
    return Vision(_images(training), _images(validation), training.classes, training.notes)


def _images(dataset: Dataset) -> Images:
    labels = np.array([dataset.classes.index(label) for label in dataset.labels], np.int64)
    return Images(dataset.fetch(np.arange(len(labels))), labels, dataset.names)
