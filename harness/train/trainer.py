"""The training loop: AdamW, a cosine schedule, averaged weights, a checkpoint each epoch.

Everything random hangs on (seed, epoch) alone, so a run that was killed resumes from its last checkpoint and ends where
it would have ended.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.train.recipe import Schedule

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


class TrainingDiverged(HarnessError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingSet:
    """What a model learns from.

    Attributes:
        view: returns the augmented inputs (n, *shape) of epoch 0, 1, ...: the same for the same number.
        labels: (n,) class indices.
        validation_inputs: (m, *shape), never augmented.
        validation_labels: (m,).
        calibration: (k, *shape) training inputs as they are, to set the ranges of quantisation.
    """

    view: Callable[[int], Floats]
    labels: Labels
    validation_inputs: Floats
    validation_labels: Labels
    calibration: Floats


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: the mean training loss, the averaged weights' validation accuracy (percent), seconds."""

    number: int
    loss: float
    validation: float
    seconds: float


def fit(
    model: keras.Model,
    examples: TrainingSet,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path,
    report: Callable[[Epoch], None],
) -> None:
    """Train `model` to classify, and leave the averaged weights in it.

    The loss is cross-entropy over logits plus the logarithm of the classes' frequencies (logit adjustment, Menon et
    al., arXiv:2007.07314): a rare class is not predicted less often for being rare in training.

    Args:
        model: from inputs to logits.
        examples: what to learn from.
        schedule: how long and how fast.
        seed: of the order of the examples.
        checkpoint: file to resume from where it exists; written after each epoch.
        report: called after each epoch.

    Raises:
        TrainingDiverged: the loss is not finite; says at which step.
    """
    count = len(examples.labels)
    steps = count // schedule.batch
    optimizer = _optimizer(schedule, steps * schedule.epochs)
    optimizer.build(model.trainable_variables)
    average = [tf.Variable(weight) for weight in model.weights]
    state = [*(weight.value for weight in [*model.weights, *optimizer.variables]), *average]
    step = _step_function(model, optimizer, average, schedule, _log_frequency(examples.labels))
    for epoch in range(_restore(state, checkpoint), schedule.epochs):
        start = time.monotonic()
        inputs = examples.view(epoch)
        order = np.random.default_rng((seed, epoch)).permutation(count)[: steps * schedule.batch]
        losses = []
        for number, chosen in enumerate(order.reshape(steps, schedule.batch)):
            losses.append(float(step(inputs[chosen], examples.labels[chosen])))
            if not np.isfinite(losses[-1]):
                raise TrainingDiverged(
                    f"expected a finite loss, got {losses[-1]} in step {number} of epoch {epoch}; lower learning_rate"
                )
        with _Swapped(model, average):
            validation = balanced_accuracy(model, examples.validation_inputs, examples.validation_labels)
        _save(state, checkpoint, epoch + 1)
        report(Epoch(epoch, float(np.mean(losses)), validation, time.monotonic() - start))
    for weight, mean in zip(model.weights, average, strict=True):
        weight.assign(mean)


def logits(model: keras.Model, inputs: Floats, batch: int = 512) -> Floats:
    """Return the model's outputs (n, classes) without training."""
    parts = [model(inputs[start : start + batch], training=False) for start in range(0, len(inputs), batch)]
    return np.concatenate([np.asarray(part) for part in parts])


def balanced_accuracy(model: keras.Model, inputs: Floats, labels: Labels) -> float:
    """Return the mean of the recalls of all classes that occur, in percent."""
    right = logits(model, inputs).argmax(axis=1) == labels
    return 100 * float(np.mean([right[labels == each].mean() for each in np.unique(labels)]))


def _optimizer(schedule: Schedule, steps: int) -> keras.optimizers.Optimizer:
    warmup = round(steps * schedule.warmup)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else schedule.learning_rate,
        max(1, steps - warmup),
        warmup_target=schedule.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay, beta_2=0.99)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _step_function(
    model: keras.Model, optimizer: Any, average: list[tf.Variable], schedule: Schedule, log_frequency: Floats
) -> Callable[[Floats, Labels], tf.Tensor]:
    """Return the compiled function (inputs, labels) -> loss that makes one step. XLA is slower here on a CPU."""
    smoothing = schedule.label_smoothing
    classes = len(log_frequency)

    @tf.function(jit_compile=False)  # type: ignore[untyped-decorator]
    def step(inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True) + log_frequency
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, outputs))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        done = tf.cast(optimizer.iterations, tf.float32)
        keep = tf.minimum(schedule.ema, (1 + done) / (10 + done))
        for mean, weight in zip(average, model.weights, strict=True):
            mean.assign_add((1 - keep) * (weight.value - mean))
        return loss

    return lambda inputs, labels: step(tf.constant(inputs), tf.constant(labels))


def _log_frequency(labels: Labels) -> Floats:
    """Return ln(frequency / mean frequency) of each class."""
    counts = np.bincount(labels).astype(np.float32)
    return np.asarray(np.log(counts / counts.mean()), np.float32)


class _Swapped:
    """Within the block, the model has the averaged weights."""

    def __init__(self, model: keras.Model, average: list[tf.Variable]) -> None:
        self._pairs = list(zip(model.weights, average, strict=True))

    def __enter__(self) -> None:
        self._own = [weight.numpy() for weight, _ in self._pairs]
        for weight, mean in self._pairs:
            weight.assign(mean)

    def __exit__(self, *_: object) -> None:
        for (weight, _), own in zip(self._pairs, self._own, strict=True):
            weight.assign(own)


def _save(state: list[Any], path: Path, epoch: int) -> None:
    """Write a checkpoint in one piece: a kill leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez(unfinished, epoch, *[np.asarray(variable) for variable in state])
    unfinished.replace(path)


def _restore(state: list[Any], path: Path) -> int:
    """Read a checkpoint where there is one; return the number of the epoch to go on with."""
    if not path.exists():
        return 0
    with np.load(path) as saved:
        for number, variable in enumerate(state):
            variable.assign(saved[f"arr_{number + 1}"])
        return int(saved["arr_0"])
