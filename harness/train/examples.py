"""What a model learns from: augmented views of the training set, and the validation set as it is."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.tasks.frontend import FrontEnd

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

UNKNOWN = -1
"""The label of an item that has none."""


@dataclass(frozen=True)
class View:
    """The training set as one epoch sees it: `inputs` (n, *shape), `targets` (n, classes).

    The rows of `targets` sum to 1; of items without labels they are 0.
    """

    inputs: Floats
    targets: Floats


@dataclass(frozen=True)
class Items:
    """Labelled items as they are, never augmented.

    Attributes:
        labels: (n,) class indices.
        classes: names, in the order of the indices.
        names: (n,) where each comes from: a file, or its place in one.
        inputs: from a model's front end and indices (k,) of items to the model's inputs (k, *shape); raises UserError
            where the items do not show what the model sees.
        notes: what a user should know of them, one line each.
    """

    labels: Labels
    classes: tuple[str, ...]
    names: tuple[str, ...]
    inputs: Callable[[FrontEnd, Labels], Floats]
    notes: tuple[str, ...] = ()


def unknown(count: int) -> Labels:
    """Return the labels of items without labels."""
    return np.full(count, UNKNOWN, np.int64)


def one_hot(labels: Labels, classes: int) -> Floats:
    """Return (n, classes): 1 for the class of an item, rows of zeros for items without labels."""
    return np.asarray(labels[:, None] == np.arange(classes), np.float32)


def digest(items: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of items (n, ...)."""
    return hashlib.sha256(np.ascontiguousarray(items).tobytes()).hexdigest()


def evenly(size: int, count: int) -> Labels:
    """Return at most `count` indices, spread evenly over `size` items."""
    return np.linspace(0, size - 1, min(count, size)).astype(np.int64)


def pick(names: tuple[str, ...], chosen: Labels) -> tuple[str, ...]:
    """Return the chosen ones of names that there may be none of."""
    return tuple(names[index] for index in chosen) if names else ()


@dataclass(frozen=True)
class TrainingSet:
    """What a model learns from.

    Attributes:
        view: returns the augmented view of epoch 0, 1, ...: the same for the same number.
        labels: (n,) class indices of the training items, before any mixing; all `UNKNOWN` where a recipe takes none.
        classes: names, in the order of the indices.
        validation_inputs: (m, *shape), never augmented.
        validation_labels: (m,).
        calibration: (k, *shape) training inputs as they are, to set the ranges of quantisation.
        as_they_are: returns at most so many training inputs (k, *shape), never augmented, of the kind that tests have.
        through: returns `view` for another model's front end: the same changes of the same sound or pictures.
        fingerprint: of everything that the views hang on but the front end: training data, augmentation and its seed.
        notes: what a user should know of the material, one line each.
        names: (n,) where each training item comes from, () where that is not known or is not to be told.
        digest: SHA-256 of the training items as they are.
    """

    view: Callable[[int], View]
    labels: Labels
    classes: tuple[str, ...]
    validation_inputs: Floats
    validation_labels: Labels
    calibration: Floats
    as_they_are: Callable[[int], Floats]
    through: Callable[[FrontEnd], Callable[[int], View]]
    fingerprint: str
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    digest: str = ""
