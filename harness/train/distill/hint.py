"""Hints (Romero et al., "FitNets: Hints for Thin Deep Nets", arXiv:1412.6550)."""

from typing import Any

import keras
import tensorflow as tf

from harness.errors import UserError
from harness.train.distill.method import Answers, Method
from harness.train.recipe import Distill

Shapes = dict[str, tuple[int, ...]]


class Hint(Method):
    """Mean squared error between a teacher's layer and a regressor over a student's layer.

    The regressor is a 1x1 convolution (the paper's, made as small as it goes), so it costs the student nothing; maps of
    other sizes are resized to the student's first. The teacher's features are standardised over the batch, so that the
    term does not hang on how large they happen to be.
    """

    response = False

    def __init__(self, settings: Distill) -> None:
        """Take `hint_student`, `hint_teacher` and `hint_weight`.

        Raises:
            UserError: a layer is not named, or there are several teachers.
        """
        super().__init__(settings)
        if not settings.hint_student or not settings.hint_teacher:
            raise UserError("expected distill.hint_student and distill.hint_teacher with the method 'hint', got none")
        if len(settings.teachers) != 1:
            raise UserError(f"expected one teacher with the method 'hint', got {len(settings.teachers)}")
        self.student_layers = (settings.hint_student,)
        self.teacher_layers = (settings.hint_teacher,)

    def build(self, student: Shapes, teacher: Shapes) -> None:
        """Make the regressor."""
        mine, theirs = student[self.settings.hint_student], teacher[self.settings.hint_teacher]
        if len(mine) != 3 or len(theirs) != 3:
            raise UserError(f"expected layers with maps for the method 'hint', got the shapes {mine} and {theirs}")
        self._regressor = keras.layers.Conv2D(theirs[-1], 1)
        self._regressor.build((None, *mine))
        self.variables = self._regressor.trainable_variables

    def compute_loss(self, teacher_outputs: Answers, student_outputs: Answers, **kwargs: Any) -> Any:
        """Return the term, `hint_weight` included."""
        guessed = self._regressor(student_outputs.features[self.settings.hint_student])
        wanted = teacher_outputs.features[self.settings.hint_teacher]
        if wanted.shape[1:3] != guessed.shape[1:3]:
            wanted = tf.image.resize(wanted, guessed.shape[1:3], antialias=True)
        mean, variance = tf.nn.moments(wanted, axes=[0, 1, 2])
        wanted = (wanted - mean) / tf.sqrt(variance + 1e-5)
        return self.settings.hint_weight * tf.reduce_mean(tf.square(guessed - wanted))
