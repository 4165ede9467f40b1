"""What a distillation method is: one term of the loss, from what teachers and student say of the same batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from harness.errors import UserError
from harness.train.sections import Layers

Shapes = dict[str, tuple[int, ...]]
"""Of the outputs of layers, without the batch, by the names that a recipe gives the layers."""


@dataclass(frozen=True)
class Answers:
    """What one model says of a batch (or, of a teacher, of a whole view).

    Attributes:
        logits: (batch, classes); of the teachers (batch, teachers, classes).
        features: the outputs of the layers that the methods named, by that name.
    """

    logits: Any
    features: dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What every method can be told, in the section `[distill.NAME]` of a recipe.

    Attributes:
        weight: of the term, above 0.
    """

    weight: float = 1.0

    def problem(self) -> str | None:
        """Return what is wrong with the values, as "RANGE for FIELD", or None."""
        return None if self.weight > 0 else "above 0 for weight"


@dataclass(frozen=True)
class LayerSettings(Settings):
    """Of a method that compares layers: the first of `student` with the first of `teacher`, and so on.

    Attributes:
        student: names of layers, or their numbers in the order of the model (-1 is the last).
        teacher: likewise.
    """

    student: Layers = ()
    teacher: Layers = ()

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        if not self.student or len(self.student) != len(self.teacher):
            return "as many layers for student as for teacher, one at least,"
        return super().problem()


@dataclass(frozen=True)
class Moment:
    """What a term may hang on beside the answers.

    Attributes:
        inputs: (batch, *shape): what the student sees.
        targets: (batch, classes): the labels, mixed where the inputs are; rows sum to 1, or are 0 without labels.
        temperature: above 0.
        hard: from logits (batch, classes) to their loss with the labels, a scalar, as it is the student's own: whoever
            learns beside the student learns the same frequencies of the classes. None without labels.
    """

    inputs: Any
    targets: Any
    temperature: Any
    hard: Callable[[Any], Any] | None = None


class Method(keras.distillation.DistillationLoss):  # type: ignore[misc]
    """One term of the loss: what `compute_loss(teacher, student, moment=...)` returns, a scalar.

    The base class declares that function for methods to define; both answers are `Answers`, the moment a `Moment`.
    What the teachers say, the outputs of their layers included, is computed once for each view and kept.

    Attributes:
        Settings: what the recipe's section `[distill.NAME]` may hold.
        taught: whether it needs a teacher.
        response: whether the term takes part in alpha * response + (1 - alpha) * hard.
        needs_labels: whether it takes the moment's `targets` or `hard`, which items without labels do not have.
        student_layers: whose outputs `compute_loss` finds in the student's `features`.
        teacher_layers: likewise; such a method has one teacher.
        variables: what is trained with the student but not exported.
        state: what a checkpoint must hold of the method: its variables, and what else changes.
    """

    Settings: ClassVar[type[Settings]] = Settings
    taught: ClassVar[bool] = True
    response: ClassVar[bool] = True
    needs_labels: bool = False
    student_layers: Sequence[str] = ()
    teacher_layers: Sequence[str] = ()
    variables: Sequence[Any] = ()

    def __init__(self, settings: Any) -> None:
        """Take the section of the recipe, an instance of `Settings`."""
        self.settings = settings

    @property
    def state(self) -> Sequence[Any]:
        """Return the variables."""
        return self.variables

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Make `variables`.

        Args:
            student: from inputs to logits.
            mine: of the student's named layers.
            theirs: of the teacher's.

        Raises:
            UserError: the shapes do not go together.
        """


class LayerMethod(Method):
    """A method that compares layers of the student with layers of its only teacher."""

    Settings = LayerSettings
    response = False

    def __init__(self, settings: LayerSettings) -> None:
        """Name the layers."""
        super().__init__(settings)
        self.student_layers = [str(layer) for layer in settings.student]
        self.teacher_layers = [str(layer) for layer in settings.teacher]

    def pairs(self, teacher: Answers, student: Answers) -> list[tuple[Any, Any]]:
        """Return (the student's, the teacher's) outputs of each pair of layers."""
        names = zip(self.student_layers, self.teacher_layers, strict=True)
        return [(student.features[mine], teacher.features[theirs]) for mine, theirs in names]

    def maps_of(self, shapes: Shapes, layer: str, whose: str) -> tuple[int, int, int]:
        """Return (height, width, channels) of a layer.

        Raises:
            UserError: it has no maps.
        """
        shape = shapes[layer]
        if len(shape) != 3:
            raise UserError(
                f"expected a layer of maps (height, width, channels) or of steps for the method "
                f"'{type(self).__name__.lower()}', "
                f"the {whose}'s '{layer}' has the shape {shape}; name a convolution or an activation"
            )
        height, width, channels = shape
        return height, width, channels
