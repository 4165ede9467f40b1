"""Decoupled distillation (Zhao et al., "Decoupled Knowledge Distillation", arXiv:2203.08679)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness.train.distill.method import Answers, Method, Moment, Settings
from harness.train.distill.soft import divergence, together


@dataclass(frozen=True)
class DecoupledSettings(Settings):
    """The paper's alpha and beta.

    Attributes:
        target: weight of what the teacher thinks of the right class against all others, 0 or more.
        others: weight of how it tells the wrong classes apart, 0 or more.
    """

    target: float = 1.0
    others: float = 2.0

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        return "0 or more for target and others" if min(self.target, self.others) < 0 else super().problem()


class Decoupled(Method):
    """KL(teacher, student) in two parts with weights of their own, times T^2 (equation 7 of the paper).

    The first compares the probability of the right class with that of all others together, the second the wrong classes
    among themselves; in plain soft targets the second counts the less, the surer the teacher is. Of a mixed input the
    class with the larger share is the right one.
    """

    Settings = DecoupledSettings
    needs_labels = True

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        temperature = moment.temperature
        taught, said = together(teacher.logits, temperature), student.logits
        right = tf.one_hot(tf.argmax(moment.targets, axis=1), said.shape[1])
        sure = tf.reduce_sum(taught * right, axis=1)
        wrong = tf.math.divide_no_nan(taught * (1 - right), 1 - sure[:, None])
        return self.settings.target * _of_two(sure, said, right, temperature) + self.settings.others * divergence(
            wrong, said - 1e3 * temperature * right, temperature
        )


def _of_two(sure: Any, logits: Any, right: Any, temperature: Any) -> Any:
    """Return T^2 * KL of (right, all others), the mean over the batch."""
    at = logits / temperature
    of_right = tf.reduce_sum(at * right, axis=1)
    of_others = tf.reduce_logsumexp(at - 1e3 * right, axis=1)
    return divergence(
        tf.stack([sure, 1 - sure], axis=1), temperature * tf.stack([of_right, of_others], axis=1), temperature
    )
