"""Attention transfer (Zagoruyko, Komodakis, "Paying More Attention to Attention", arXiv:1612.03928)."""

from typing import Any

import keras
import tensorflow as tf

from harness.train.distill.maps import resized
from harness.train.distill.method import Answers, LayerMethod, Moment, Shapes


class Attention(LayerMethod):
    """How far apart the maps of attention are: where in an input, not what, student and teacher look at.

    A map of attention is the sum of the squares over the channels, as a vector of length 1 (equation 2 of the paper,
    p = 2); the term is the square of the distance of both, summed over positions, the mean over the batch and the pairs
    of layers. Maps of other sizes are resized to the student's first.
    """

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Check the shapes; there is nothing to train."""
        for ours, wanted in zip(self.student_layers, self.teacher_layers, strict=True):
            self.maps_of(mine, ours, "student")
            self.maps_of(theirs, wanted, "teacher")

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term, from 0 (both look at the same places) to 2."""
        apart = [
            tf.reduce_sum(tf.square(_direction(_energy(ours)) - _direction(resized(_energy(wanted), ours))), axis=1)
            for ours, wanted in self.pairs(teacher, student)
        ]
        return tf.reduce_mean(tf.stack(apart))


def _energy(maps: Any) -> Any:
    """Return the sum of the squares over the channels, (batch, height, width, 1)."""
    return tf.reduce_sum(tf.square(maps), axis=3, keepdims=True)


def _direction(energy: Any) -> Any:
    """Return (batch, positions) vectors of length 1."""
    return tf.math.l2_normalize(tf.reshape(energy, (tf.shape(energy)[0], -1)), axis=1)
