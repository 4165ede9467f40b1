"""Coloured pictures as training material, and a user's own folder of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.tasks import folders, vision
from harness.tasks.dataset import Dataset
from harness.tasks.images import SUFFIXES, WHAT, Shape, check, read
from harness.train.examples import evenly, pick, unknown


@dataclass(frozen=True)
class Images:
    """Pictures: `pixels` uint8 (n, height, width, colours), `labels` int64 (n,), of classes or all `UNKNOWN`; files."""

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

    def unlabelled(self) -> "Images":
        """Return them without their labels."""
        return Images(self.pixels, unknown(len(self)), self.names)


@dataclass(frozen=True)
class Vision:
    """What a student of pictures is trained with.

    Attributes:
        training: what is learned from.
        validation: what is chosen by.
        classes: in the order of the labels' indices.
        notes: what a user should know of the material, one line each.
        lossless: those of `training` that are as validation and test are, where most are copies with loss; else none.
    """

    training: Images
    validation: Images
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    lossless: Images | None = None


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


def folder_beside(training: Images, path: Path, shape: Shape) -> Vision:
    """Return other training pictures beside the validation pictures of `folder`."""
    validation = vision.folder(path, "validation", shape)
    folders.check_trainable(validation)
    return Vision(training, _images(validation), validation.classes, validation.notes)


def unlabelled(path: Path, shape: Shape, limit: int = 0) -> tuple[Images, tuple[str, ...]]:
    """Read all pictures in a folder and in those below it, whose names say nothing.

    Args:
        path: the folder.
        shape: height, width and colours; pictures of another size are resized.
        limit: take at most so many, spread evenly; 0 for all.

    Returns:
        The pictures, without labels and names, and what a user should know of them.

    Raises:
        UserError: there are none, or a file is none.
    """
    files, notes = folders.below(path, SUFFIXES, WHAT)
    chosen = [files[index] for index in evenly(len(files), limit or len(files))]
    notes += check(chosen, shape)
    return Images(read(chosen, shape), unknown(len(chosen))), notes


def _images(dataset: Dataset) -> Images:
    labels = np.array([dataset.classes.index(label) for label in dataset.labels], np.int64)
    return Images(dataset.fetch(np.arange(len(labels))), labels, dataset.names)
