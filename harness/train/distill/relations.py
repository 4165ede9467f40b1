"""Relations between items (Park et al., "Relational Knowledge Distillation", arXiv:1904.05068)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness.train.distill.maps import pooled
from harness.train.distill.method import Answers, LayerMethod, LayerSettings, Moment
from harness.train.sections import Layers


@dataclass(frozen=True)
class RelationSettings(LayerSettings):
    """Which layers, and what counts; the last layer before the logits where none is named.

    Attributes:
        distance: weight of the distances between two items, 0 or more.
        angle: weight of the angles between three, 0 or more.
    """

    student: Layers = ("-2",)
    teacher: Layers = ("-2",)
    distance: float = 1.0
    angle: float = 2.0

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        return "0 or more for distance and angle" if min(self.distance, self.angle) < 0 else super().problem()


class Relations(LayerMethod):
    """Whether the items of a batch lie to each other as they do in the teacher's layer (RKD-D and RKD-A).

    Maps are averaged to one vector an item. Distances are divided by their mean over the batch; an angle is the cosine
    at the middle one of three items. Both are compared by Huber's loss, the mean over all pairs and triples: no adapter
    is needed, whatever the sizes of the layers.
    """

    Settings = RelationSettings

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        terms = []
        for ours, theirs in self.pairs(teacher, student):
            mine, wanted = _apart(pooled(ours)), _apart(pooled(theirs))
            distance = _huber(_distances(mine) - _distances(wanted))
            angle = _huber(_angles(mine) - _angles(wanted))
            terms.append(self.settings.distance * distance + self.settings.angle * angle)
        return tf.add_n(terms) / len(terms)


def _apart(vectors: Any) -> Any:
    """Return how each item lies to each other one, (batch, batch, channels)."""
    return vectors[None] - vectors[:, None]


def _distances(apart: Any) -> Any:
    """Return the distances (batch, batch) over the mean of those above 0."""
    squared = tf.reduce_sum(tf.square(apart), axis=2)
    zero = squared == 0  # of an item to itself; the root has no slope there
    distances = tf.where(zero, 0.0, tf.sqrt(tf.where(zero, 1.0, squared)))
    others = tf.reduce_sum(tf.cast(~zero, tf.float32))
    return distances * tf.math.divide_no_nan(others, tf.reduce_sum(distances))


def _angles(apart: Any) -> Any:
    """Return the cosines (batch, batch, batch) of the angle at item i between the items j and k."""
    towards = tf.math.l2_normalize(apart, axis=2)
    return tf.matmul(towards, towards, transpose_b=True)


def _huber(errors: Any) -> Any:
    """Return the mean of Huber's loss: squares up to 1, then straight."""
    sizes = tf.abs(errors)
    return tf.reduce_mean(tf.where(sizes <= 1, 0.5 * tf.square(errors), sizes - 0.5))
