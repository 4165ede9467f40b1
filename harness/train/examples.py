"""What a model learns from: augmented views of the training set, and the validation set as it is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.tasks.frontend import FrontEnd

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """The training set as one epoch sees it: `inputs` (n, *shape), `targets` (n, classes) whose rows sum to 1."""

    inputs: Floats
    targets: Floats


@dataclass(frozen=True)
class TrainingSet:
    """What a model learns from.

    Attributes:
        view: returns the augmented view of epoch 0, 1, ...: the same for the same number.
        labels: (n,) class indices of the training items, before any mixing.
        classes: names, in the order of the indices.
        validation_inputs: (m, *shape), never augmented.
        validation_labels: (m,).
        calibration: (k, *shape) training inputs as they are, to set the ranges of quantisation.
        through: returns `view` for another model's front end: the same changes of the same sound or pictures.
        fingerprint: of everything that the views hang on but the front end: training data, augmentation and its seed.
        notes: what a user should know of the material, one line each.
    """

    view: Callable[[int], View]
    labels: Labels
    classes: tuple[str, ...]
    validation_inputs: Floats
    validation_labels: Labels
    calibration: Floats
    through: Callable[[FrontEnd], Callable[[int], View]]
    fingerprint: str
    notes: tuple[str, ...] = ()
