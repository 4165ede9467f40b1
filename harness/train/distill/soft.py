"""Soft targets (Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network", arXiv:1503.02531)."""

from typing import Any

import tensorflow as tf

from harness.train.distill.method import Answers, Method


class SoftTargets(Method):
    """KL(teacher, student) of the softmax at temperature T, times T^2, the mean over the batch.

    T^2 keeps the gradient's size when T changes (section 2 of the paper). Several teachers speak as one: the mean of
    their probabilities at that temperature.
    """

    def compute_loss(self, teacher_outputs: Answers, student_outputs: Answers, **kwargs: Any) -> Any:
        """Return the term; 0 where both say the same."""
        temperature = kwargs["temperature"]
        taught = tf.reduce_mean(tf.nn.softmax(teacher_outputs.logits / temperature), axis=1)
        said = tf.nn.log_softmax(student_outputs.logits / temperature)
        divergence = tf.reduce_sum(tf.math.xlogy(taught, taught) - taught * said, axis=1)
        return temperature**2 * tf.reduce_mean(divergence)
