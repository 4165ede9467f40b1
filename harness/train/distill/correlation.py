"""DIST: correlation (Huang et al., "Knowledge Distillation from A Stronger Teacher", arXiv:2205.10536)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness.train.distill.method import Answers, Method, Moment, Settings
from harness.train.distill.soft import together


@dataclass(frozen=True)
class CorrelationSettings(Settings):
    """The paper's beta and gamma.

    Attributes:
        inter: weight of the correlation over the classes of an item, 0 or more.
        intra: weight of the correlation over the items of a class, 0 or more.
    """

    inter: float = 2.0
    intra: float = 2.0

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        return "0 or more for inter and intra" if min(self.inter, self.intra) < 0 else super().problem()


class Correlation(Method):
    """1 - Pearson's correlation between the probabilities of teacher and student, times T^2.

    Once over the classes of each item, once over the items of each class (equations 8 to 10 of the paper). What a
    strong teacher says need not be met, only its order.
    """

    Settings = CorrelationSettings

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        taught = together(teacher.logits, moment.temperature)
        said = tf.nn.softmax(student.logits / moment.temperature)
        inter, intra = (1 - tf.reduce_mean(_pearson(taught, said, axis)) for axis in (1, 0))
        return moment.temperature**2 * (self.settings.inter * inter + self.settings.intra * intra)


def _pearson(one: Any, other: Any, axis: int) -> Any:
    """Return the correlation along an axis."""
    one, other = (each - tf.reduce_mean(each, axis=axis, keepdims=True) for each in (one, other))
    return tf.reduce_sum(tf.math.l2_normalize(one, axis) * tf.math.l2_normalize(other, axis), axis=axis)
