"""Soft targets (Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network", arXiv:1503.02531)."""

from typing import Any

import tensorflow as tf

from harness.train.distill.method import Answers, Method, Moment


class SoftTargets(Method):
    """KL(teacher, student) of the softmax at temperature T, times T^2, the mean over the batch.

    T^2 keeps the gradient's size when T changes (section 2 of the paper). Several teachers speak as one: the mean of
    their probabilities at that temperature.
    """

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term; 0 where both say the same."""
        return divergence(together(teacher.logits, moment.temperature), student.logits, moment.temperature)


def together(logits: Any, temperature: Any) -> Any:
    """Return the mean (batch, classes) of the probabilities of teachers with logits (batch, teachers, classes)."""
    return tf.reduce_mean(tf.nn.softmax(logits / temperature), axis=1)


def divergence(taught: Any, logits: Any, temperature: Any) -> Any:
    """Return T^2 * KL(taught, softmax(logits / T)), the mean over the batch.

    Args:
        taught: probabilities (batch, classes).
        logits: (batch, classes).
        temperature: T.
    """
    said = tf.nn.log_softmax(logits / temperature)
    each = tf.reduce_sum(tf.math.xlogy(taught, taught) - taught * said, axis=1)
    return temperature**2 * tf.reduce_mean(each)
