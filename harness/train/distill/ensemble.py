"""Several teachers who speak as one (You et al., "Learning from Multiple Teacher Networks", KDD 2017)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness.train.distill.method import Answers, Method, Moment, Settings
from harness.train.distill.soft import divergence


@dataclass(frozen=True)
class EnsembleSettings(Settings):
    """How the teachers are averaged.

    Attributes:
        average: "probabilities" (at the temperature) or "logits".
        shares: of each teacher, above 0, in the order of distill.teachers; all alike where none are given.
    """

    average: str = "probabilities"
    shares: tuple[float, ...] = ()

    def problem(self) -> str | None:
        """Return what is wrong with the values."""
        if self.average not in ("probabilities", "logits"):
            return "probabilities or logits for average"
        return "above 0 for shares" if any(share <= 0 for share in self.shares) else super().problem()


class Ensemble(Method):
    """Soft targets from the weighted mean of the teachers' probabilities, or of their logits (a geometric mean)."""

    Settings = EnsembleSettings

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        logits, temperature = teacher.logits, moment.temperature
        given = self.settings.shares or (1.0,) * logits.shape[1]
        shares = tf.constant([share / sum(given) for share in given])[:, None]
        if self.settings.average == "logits":
            taught = tf.nn.softmax(tf.reduce_sum(logits * shares, axis=1) / temperature)
        else:
            taught = tf.reduce_sum(tf.nn.softmax(logits / temperature) * shares, axis=1)
        return divergence(taught, student.logits, temperature)
