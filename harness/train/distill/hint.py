"""Hints (Romero et al., "FitNets: Hints for Thin Deep Nets", arXiv:1412.6550)."""

from typing import Any

import keras
import tensorflow as tf

from harness.train.distill.maps import resized, standardised
from harness.train.distill.method import Answers, LayerMethod, Moment, Shapes


class Hint(LayerMethod):
    """Mean squared error between a teacher's maps and a regressor over a student's, averaged over the pairs of layers.

    The regressor is a 1x1 convolution (the paper's, made as small as it goes), so it costs the student nothing; maps of
    other sizes are resized to the student's first. The teacher's maps are standardised over the batch.
    `distill.features_first` is the paper's first stage.
    """

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Make the regressors."""
        self._regressors = []
        for ours, wanted in zip(self.student_layers, self.teacher_layers, strict=True):
            regressor = keras.layers.Conv2D(self.maps_of(theirs, wanted, "teacher")[2], 1)
            regressor.build((None, *self.maps_of(mine, ours, "student")))
            self._regressors.append(regressor)
        self.variables = [variable for each in self._regressors for variable in each.trainable_variables]

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        errors = [
            tf.reduce_mean(tf.square(regressor(ours) - standardised(resized(wanted, ours))))
            for regressor, (ours, wanted) in zip(self._regressors, self.pairs(teacher, student), strict=True)
        ]
        return tf.add_n(errors) / len(errors)
