"""The training loop: AdamW, a cosine schedule (once, or in cycles), averaged weights, a checkpoint each epoch.

Everything random hangs on (seed, epoch) alone, so a run that was killed resumes from its last checkpoint and ends where
it would have ended.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.errors import HarnessError
from harness.train import statistics
from harness.train.examples import Floats, Labels, TrainingSet, View
from harness.train.objective import Objective, Terms
from harness.train.recipe import Schedule


class TrainingDiverged(HarnessError):
    """A term of the loss became NaN or infinite."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        number: 0, 1, ...
        epochs: of the whole run.
        terms: the mean of each term of the loss, weighted as it is minimised.
        validation: balanced accuracy, in percent, of the weights that a run ending here would leave.
        seconds: the epoch took.
        left: seconds that the rest of the run will take at this pace.
    """

    number: int
    epochs: int
    terms: dict[str, float]
    validation: float
    seconds: float
    left: float

    @property
    def loss(self) -> float:
        """Return the sum of the terms."""
        return sum(self.terms.values())


def fit(
    model: keras.Model,
    examples: TrainingSet,
    objective: Objective,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path,
    trained_before: bool = False,
    report: Callable[[Epoch], None],
    advance: Callable[[int, int], None] = lambda done, steps: None,
) -> None:
    """Train `model`, and leave the averaged weights in it.

    These are the running average (of decay `schedule.ema`) at the end of the run. Where the schedule has cycles, they
    are the mean of those at the end of each, and of the weights that the run went on from (Izmailov et al., "Averaging
    Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407; there a cycle is an epoch or a few). The
    statistics of batch normalisation are averaged like the weights, or taken anew where the schedule says so, as there.

    Args:
        model: from inputs to logits.
        examples: what to learn from.
        objective: what to minimise; it calls the model.
        schedule: how long and how fast.
        trained_before: whether the model's weights are those of an earlier run; they then count as a cycle's end.
        seed: of the order of the examples.
        checkpoint: file to resume from where it exists; written after each epoch.
        report: called after each epoch, once more where a kill came before the checkpoint.
        advance: called after each step with the number of steps done and that of the whole run.

    Raises:
        TrainingDiverged: a term of the loss is not finite; says which, and at which step.
    """
    count = len(examples.labels)
    steps = max(1, count // schedule.batch)
    trained = [*model.trainable_variables, *objective.variables]
    optimizer = _optimizer(schedule, steps * schedule.cycle)
    optimizer.build(trained)
    average = [tf.Variable(weight) for weight in model.weights]
    ends = [tf.Variable(weight) for weight in model.weights] if schedule.cycles else []
    take_statistics = _statistics(model, examples, schedule)
    state = [*(v.value for v in [*model.variables, *objective.state, *optimizer.variables]), *average, *ends]
    step = _step_function(model, objective, optimizer, average, schedule, steps * schedule.epochs)
    for epoch in range(_restore(state, checkpoint), schedule.epochs):
        start = time.monotonic()
        view = examples.view(epoch)
        columns = (view.inputs, view.targets, *objective.columns(epoch))
        order = np.random.default_rng((seed, epoch)).permutation(count)[: steps * schedule.batch]
        history = []
        for number, chosen in enumerate(order.reshape(steps, -1)):
            terms = step(*(column[chosen] for column in columns))
            history.append(_finite({name: float(value) for name, value in terms.items()}, number, epoch))
            advance(epoch * steps + number + 1, schedule.epochs * steps)
        left_by_now = _mean_of_ends(ends, average, epoch // schedule.cycle + trained_before) if ends else average
        if ends and (epoch + 1) % schedule.cycle == 0:
            _assign(ends, left_by_now)
        with _having(model, left_by_now):
            take_statistics(lambda: view)  # noqa: B023  (called at once)
            validation = balanced_accuracy(model, examples.validation_inputs, examples.validation_labels)
        means = {name: float(np.mean([terms[name] for terms in history])) for name in history[0]}
        seconds = time.monotonic() - start
        left = seconds * (schedule.epochs - epoch - 1)
        report(Epoch(epoch, schedule.epochs, means, validation, seconds, left))
        _save(state, checkpoint, epoch + 1)  # last: what a kill before it leaves of this epoch is reported again
    _assign(model.weights, ends or average)
    take_statistics(lambda: examples.view(schedule.epochs - 1))


def logits(model: keras.Model, inputs: Floats, batch: int = 512) -> Floats:
    """Return the model's outputs (n, classes) without training."""
    parts = [model(inputs[start : start + batch], training=False) for start in range(0, len(inputs), batch)]
    return np.concatenate([np.asarray(part) for part in parts])


def balanced_accuracy(model: keras.Model, inputs: Floats, labels: Labels) -> float:
    """Return the mean of the recalls of all classes that occur, in percent."""
    right = logits(model, inputs).argmax(axis=1) == labels
    return 100 * float(np.mean([right[labels == each].mean() for each in np.unique(labels)]))


class _Repeated(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A course of the learning rate that begins again after so many steps."""

    def __init__(self, course: keras.optimizers.schedules.LearningRateSchedule, steps: int) -> None:
        super().__init__()
        self.course, self.steps = course, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step, from 0 on."""
        return self.course(step % self.steps)


def _optimizer(schedule: Schedule, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer; the course of its rate takes `steps`."""
    warmup = round(steps * schedule.warmup)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else schedule.learning_rate,
        max(1, steps - warmup),
        warmup_target=schedule.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    if schedule.cycles:
        rate = _Repeated(rate, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay, beta_2=0.99)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _step_function(
    model: keras.Model, objective: Objective, optimizer: Any, average: list[tf.Variable], schedule: Schedule, steps: int
) -> Callable[..., Terms]:
    """Return the compiled function from a batch's columns to its terms, which makes one step.

    XLA is slower here on a CPU.
    """
    trained = [*model.trainable_variables, *objective.variables]

    @tf.function(jit_compile=False)  # type: ignore[untyped-decorator]
    def step(inputs: tf.Tensor, targets: tf.Tensor, *columns: tf.Tensor) -> Terms:
        done = tf.cast(optimizer.iterations, tf.float32)
        with tf.GradientTape() as tape:
            terms = objective.terms(inputs, targets, columns, done / max(1, steps - 1))
            loss = tf.add_n(list(terms.values()))
        optimizer.apply(tape.gradient(loss, trained, unconnected_gradients="zero"), trained)
        keep = tf.minimum(schedule.ema, (2 + done) / (11 + done))
        for mean, weight in zip(average, model.weights, strict=True):
            mean.assign_add((1 - keep) * (weight.value - mean))
        return terms

    return lambda *columns: step(*map(tf.constant, columns))


def _finite(terms: dict[str, float], number: int, epoch: int) -> dict[str, float]:
    """Return the terms, all of them finite.

    Raises:
        TrainingDiverged: one is not.
    """
    for name, value in terms.items():
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"expected a finite loss, got {value} for the term '{name}' in step {number} of epoch {epoch}; "
                f"lower schedule.learning_rate"
            )
    return terms


def _statistics(model: keras.Model, examples: TrainingSet, schedule: Schedule) -> Callable[[Callable[[], View]], None]:
    """Return what takes the model's statistics of batch normalisation anew, if that is wanted, given the last view."""
    if schedule.statistics == "moving":
        return lambda view: None
    renew = statistics.renewer(model)
    if schedule.statistics == "views":
        return lambda view: renew(view().inputs)
    items = examples.as_they_are(statistics.ITEMS)
    return lambda view: renew(items)


def _mean_of_ends(ends: list[Any], average: list[Any], before: int) -> list[Any]:
    """Return the mean of the weights of `before` ends of cycles, whose mean is `ends`, and of `average`."""
    return [end + (now - end) / (before + 1) for end, now in zip(ends, average, strict=True)]


@contextmanager
def _having(model: keras.Model, weights: list[Any]) -> Iterator[None]:
    """Within the block, the model has other weights; after it, all is as before it, the state of dropout, too."""
    own = [variable.numpy() for variable in model.variables]
    _assign(model.weights, weights)
    try:
        yield
    finally:
        _assign(model.variables, own)


def _assign(variables: list[Any], values: list[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


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
