"""What a distillation method is: one term of the loss, from what teachers and student say of the same batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from harness.train.recipe import Distill


@dataclass(frozen=True)
class Answers:
    """What one model says of a batch.

    Attributes:
        logits: (batch, classes); of the teachers (batch, teachers, classes).
        features: the outputs of the layers that the methods named, by the layer's name.
    """

    logits: Any
    features: dict[str, Any]


class Method(keras.distillation.DistillationLoss):  # type: ignore[misc]
    """One term of the loss: what `compute_loss(teacher_outputs, student_outputs, temperature=T)` returns, a scalar.

    Both outputs are `Answers`; T is a scalar above 0. The base class declares that function for methods to define.

    A response method needs the teachers' logits alone, which are computed once and kept. A feature method names layers
    in `student_layers` and `teacher_layers`; its (only) teacher then runs beside the student in each step.

    Attributes:
        response: whether the term takes part in alpha * response + (1 - alpha) * hard.
        student_layers: whose outputs `compute_loss` finds in the student's `features`.
        teacher_layers: likewise.
        variables: what is trained with the student but not exported.
    """

    response = True
    student_layers: Sequence[str] = ()
    teacher_layers: Sequence[str] = ()
    variables: Sequence[Any] = ()

    def __init__(self, settings: Distill) -> None:
        """Take the section `distill` of a recipe.

        Raises:
            UserError: a setting that the method needs is missing.
        """
        self.settings = settings

    def build(self, student: dict[str, tuple[int, ...]], teacher: dict[str, tuple[int, ...]]) -> None:
        """Make `variables` from the shapes (without the batch) of the named layers' outputs.

        Raises:
            UserError: the shapes do not go together.
        """
