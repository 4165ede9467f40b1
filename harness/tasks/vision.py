"""Image classification, 10 classes: CIFAR-10 (Krizhevsky, 2009)."""

from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.tasks import cifar, data, folders, images
from harness.tasks.dataset import Dataset
from harness.tasks.split import only

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (32, 32, 3)
"""Height, width, colours of CIFAR-10."""

VALIDATION = slice(40_017, 41_017)
"""Of the original's training pictures: those that choices are made on, and no recipe learns from. They are the last
that the lossless part has: it has the first 1,017 of each of the five batches."""


def cifar10(split: str = "test") -> Dataset:
    """Return CIFAR-10's pictures, uint8 32x32x3.

    Args:
        split: "test": the 1,017 lossless test pictures where they lie, else all 10,000 of the original.
            "validation": the 1,000 lossless pictures that choices are made on. "train": the 50,000 of the original,
            those 1,000 among them.

    Raises:
        UserError: they are not there, or there is no such split.
    """
    only(split, "cifar10", ("train", "validation", "test"))
    lossless = data.find("cifar10", "cifar10_lossless_part.npz")
    if split != "train" and lossless:
        part = "test" if split == "test" else "train"
        with np.load(lossless) as content:
            pictures, labels = content[f"x_{part}"], content[f"y_{part}"]
        chosen = slice(VALIDATION.start - VALIDATION.stop, None) if split == "validation" else slice(None)
    else:
        original = data.find("cifar10", cifar.FOLDER)
        if split == "train" and lossless and not original:
            raise UserError(
                "data set 'cifar10' has only the splits 'validation' and 'test' here: "
                "run harness data get cifar10 for 'train'"
            )
        folder = original or data.require("cifar10", "cifar10", cifar.FOLDER, fetch=True)
        pictures, labels = cifar.read(folder, "test" if split == "test" else "train")
        chosen = VALIDATION if split == "validation" else slice(None)
    pictures, labels = pictures[chosen], labels[chosen]
    name = "cifar10" if split == "test" else f"cifar10 ({split})"
    return Dataset(name, "picture", tuple(LABELS[label] for label in labels), lambda chosen: pictures[chosen])


def folder(path: Path, split: str = "all", shape: images.Shape = SHAPE) -> Dataset:
    """Return a user's own pictures: one folder a class, PNG, JPEG or BMP files inside.

    Args:
        path: the folder with the folders; their names are the classes.
        split: train, validation, test (by the hash of the file name) or all.
        shape: height, width and colours of the pictures that come out; others are resized.

    Raises:
        UserError: no such split, no pictures, or a file that is none.
    """
    found = folders.read(path, split, images.SUFFIXES, images.WHAT)
    notes = found.notes + images.check(found.files, shape)
    return Dataset(
        found.name,
        "picture",
        found.labels,
        lambda chosen: images.read([found.files[index] for index in chosen], shape),
        found.classes,
        notes,
        tuple(map(str, found.files)),
    )
