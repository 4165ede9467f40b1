"""A network that teaches its own shallower exits (Zhang et al., "Be Your Own Teacher", arXiv:1905.08094)."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from harness.train.distill.maps import pooled
from harness.train.distill.method import Answers, Method, Moment, Settings, Shapes
from harness.train.distill.soft import divergence
from harness.train.sections import Layers


@dataclass(frozen=True)
class ExitSettings(Settings):
    """Where the exits are.

    Attributes:
        exits: layers of the student, shallower than its logits, one or more.
        labels: share of the labels in what an exit learns, 0 to 1; the rest is what the deepest layer says.
    """

    exits: Layers = ()
    labels: float = 0.7

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        if not self.exits:
            return "one layer or more for exits"
        return super().problem() if 0 <= self.labels <= 1 else "0 to 1 for labels"


class OwnTeacher(Method):
    """Exits from shallower layers, a dense layer over the averaged maps each, are trained with the student.

    Each learns from the labels, as the student does, and from what the student's own logits say at T (equation 1 and 2
    of the paper); the mean over the exits. The layers they share become better; the exits are not exported. No gradient
    goes into the student's logits. The paper's third term, L2 between the features, is the method `hint` of a student
    and its own layers, and is left out.
    """

    Settings = ExitSettings
    taught = False
    response = False

    def __init__(self, settings: ExitSettings) -> None:
        """Name the layers."""
        super().__init__(settings)
        self.needs_labels = settings.labels > 0
        self.student_layers = [str(layer) for layer in settings.exits]

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Make the exits."""
        self._exits = [keras.layers.Dense(student.outputs[0].shape[-1]) for _ in self.student_layers]
        for each, layer in zip(self._exits, self.student_layers, strict=True):
            each.build((None, mine[layer][-1]))
        self.variables = [variable for each in self._exits for variable in each.trainable_variables]

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        temperature, share = moment.temperature, self.settings.labels
        deepest = tf.stop_gradient(tf.nn.softmax(student.logits / temperature))
        losses = []
        for each, layer in zip(self._exits, self.student_layers, strict=True):
            logits = each(pooled(student.features[layer]))
            hard = 0.0 if moment.hard is None else moment.hard(logits)
            losses.append(share * hard + (1 - share) * divergence(deepest, logits, temperature))
        return tf.add_n(losses) / len(losses)
