"""Mimicking features (Wang, Ge, Wu, "Distilling Knowledge by Mimicking Features", arXiv:2011.01424)."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from harness.train.distill.maps import pooled, standardised
from harness.train.distill.method import Answers, LayerMethod, LayerSettings, Moment, Shapes
from harness.train.sections import Layers


@dataclass(frozen=True)
class MimicSettings(LayerSettings):
    """Which layers: the last before the logits where none is named."""

    student: Layers = ("-2",)
    teacher: Layers = ("-2",)


class Mimic(LayerMethod):
    """Mean squared error between the vectors that a teacher's logits are made of and the student's, through an adapter.

    Maps are averaged to one vector an item. The adapter is a dense layer to the teacher's size, not exported; the
    teacher's vectors are standardised over the batch.
    """

    Settings = MimicSettings

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Make the adapters."""
        self._adapters = []
        for ours, wanted in zip(self.student_layers, self.teacher_layers, strict=True):
            adapter = keras.layers.Dense(theirs[wanted][-1])
            adapter.build((None, mine[ours][-1]))
            self._adapters.append(adapter)
        self.variables = [variable for each in self._adapters for variable in each.trainable_variables]

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        errors = [
            tf.reduce_mean(tf.square(adapter(pooled(ours)) - standardised(pooled(wanted))))
            for adapter, (ours, wanted) in zip(self._adapters, self.pairs(teacher, student), strict=True)
        ]
        return tf.add_n(errors) / len(errors)
