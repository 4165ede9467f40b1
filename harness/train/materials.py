"""What the tasks are trained on, one line a task: its name is the `task` of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.tasks.frontend import FrontEnd
from harness.train import speech, vision
from harness.train.augment.settings import Augmentation
from harness.train.augment.speech import SpeechAugmentation
from harness.train.augment.vision import VisionAugmentation
from harness.train.examples import Items, TrainingSet

if TYPE_CHECKING:  # a recipe knows the tasks
    from harness.train.recipe import Recipe


@dataclass(frozen=True)
class Material:
    """How the training set of a task comes about.

    Attributes:
        prepare: returns the training set of a recipe, and the front end that its student needs; takes that of a
            trained model which is to go on, None where the student begins anew.
        validation: returns the validation set of a recipe alone, for any front end.
        augmentation: the recipe's section of that name.
        data: name of the data set that a recipe learns from where it names no folder.
        licence: of weights learned from that data set.
    """

    prepare: Callable[[Recipe, FrontEnd | None], tuple[TrainingSet, FrontEnd]]
    validation: Callable[[Recipe], Items]
    augmentation: type[Augmentation]
    data: str
    licence: str


MATERIALS = {
    "kws": Material(speech.prepare, speech.validation, SpeechAugmentation, speech.DATA, speech.LICENCE),
    "vision": Material(vision.prepare, vision.validation, VisionAugmentation, vision.DATA, vision.LICENCE),
}
