"""What a training step minimises: a sum of named terms. Hard labels alone are the simplest; distill/ has the others."""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from harness.train.examples import Floats, Labels


class Objective(Protocol):
    """What a step minimises, and what it needs beside the inputs and the targets."""

    @property
    def variables(self) -> Sequence[Any]:
        """What is trained beside the model and not exported with it, such as a hint's regressor."""

    @property
    def state(self) -> Sequence[Any]:
        """What a checkpoint must hold beside the model: the variables, and what else changes."""

    def columns(self, epoch: int) -> tuple[Floats, ...]:
        """Return further arrays, one row for each training item, for the view of an epoch."""

    def terms(self, inputs: tf.Tensor, targets: tf.Tensor, columns: tuple[tf.Tensor, ...], done: Any) -> "Terms":
        """Return the weighted terms of a batch; the loss is their sum.

        Args:
            inputs: (batch, *shape).
            targets: (batch, classes), rows that sum to 1.
            columns: the batch's rows of `columns`.
            done: how much of the run is done: 0 at its first step, 1 at its last.
        """


Terms = dict[str, Any]
"""Scalars by name."""


class HardLabels:
    """Cross-entropy with the labels, over logits plus the logarithm of the classes' frequencies.

    That addition (logit adjustment, Menon et al., arXiv:2007.07314) means that a rare class is not predicted less often
    for being rare in training.
    """

    variables: Sequence[Any] = ()
    state: Sequence[Any] = ()

    def __init__(self, model: keras.Model, labels: Labels, classes: int, smoothing: float) -> None:
        """Take the model, from inputs to logits; the training labels (n,); and the probability spread over all."""
        self._model = model
        counts = np.bincount(labels, minlength=classes).astype(np.float32).clip(1)
        self._log_frequency = np.asarray(np.log(counts / counts.mean()), np.float32)
        self._smoothing = smoothing

    def columns(self, epoch: int) -> tuple[Floats, ...]:
        """Return nothing: the targets are enough."""
        return ()

    def terms(self, inputs: tf.Tensor, targets: tf.Tensor, columns: tuple[tf.Tensor, ...], done: Any) -> Terms:
        """Return the term `hard`."""
        return {"hard": self.loss(self._model(inputs, training=True), targets)}

    def loss(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the mean cross-entropy of logits (batch, classes) with targets of the same shape."""
        classes = len(self._log_frequency)
        smooth = targets * (1 - self._smoothing) + self._smoothing / classes
        adjusted = logits + self._log_frequency
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(smooth, adjusted))
