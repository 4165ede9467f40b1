"""A problem that is learnt in seconds: three classes of noise, dark, even and bright; the dark one is rare."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from harness.train.distill.method import Answers, Method, Shapes
from harness.train.distill.methods import choose
from harness.train.distill.objective import Distilled, with_layers
from harness.train.examples import TrainingSet, View
from harness.train.objective import HardLabels, Objective
from harness.train.recipe import Distill, Schedule
from harness.train.trainer import Epoch, fit

SHAPE = (12, 9, 1)
CLASSES = ("dark", "even", "bright")
COUNT = 160
SCHEDULE = Schedule(epochs=3, batch=16, learning_rate=1e-2, ema=0.9, label_smoothing=0.0)
HINT = {"hint": {"student": "features", "teacher": "features"}}
"""What a recipe would tell the method of that name."""
STEPS = COUNT // SCHEDULE.batch
"""Of an epoch."""


def toy(changed: Callable[[np.ndarray, int], np.ndarray] = lambda inputs, epoch: inputs) -> TrainingSet:
    """Return the problem; `changed` is its augmentation: inputs and epoch to inputs."""
    random = np.random.default_rng(0)
    labels = random.choice(3, COUNT + 80, p=[0.1, 0.45, 0.45])
    inputs = random.standard_normal((len(labels), *SHAPE)).astype(np.float32)
    inputs += (labels - 1).astype(np.float32)[:, None, None, None]
    targets = np.eye(3, dtype=np.float32)[labels[:COUNT]]

    def view(epoch: int) -> View:
        return View(changed(inputs[:COUNT], epoch), targets)

    return TrainingSet(
        view=view,
        labels=labels[:COUNT],
        classes=CLASSES,
        validation_inputs=inputs[COUNT:],
        validation_labels=labels[COUNT:],
        calibration=inputs[:20],
        as_they_are=lambda count: inputs[: min(count, COUNT)],
        through=lambda frontend: view,
        fingerprint="toy",
    )


def network(name: str = "student", seed: int = 1, dropout: float = 0.0) -> keras.Model:
    """Return a small network: the layer `features` (6x5 maps), a dropout with a state, `logits`."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU(name="features")(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name=name)


def tiny() -> keras.Model:
    """Return one layer: the smallest network there is."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))


def hard(model: keras.Model, examples: TrainingSet) -> HardLabels:
    """Return the loss of the labels alone."""
    return HardLabels(model, examples.labels, len(examples.classes), SCHEDULE.label_smoothing)


def distilled(
    model: keras.Model,
    examples: TrainingSet,
    said: np.ndarray,
    teacher: keras.Model | None = None,
    epochs: int = SCHEDULE.epochs,
    **settings: Any,
) -> tuple[Distilled, dict[str, Method]]:
    """Return the objective of `model`, and its methods.

    Args:
        model: the student.
        examples: of `toy`.
        said: the teachers' logits (n, teachers, classes).
        teacher: whose layers are compared.
        epochs: of the run.
        settings: of `Distill`.
    """
    chosen = Distill(**{"method": "soft", "teachers": ("a",), **settings})
    methods = choose(chosen)
    shapes: Shapes = {}

    def answers(epoch: int) -> Answers:
        return Answers(said, {})

    if teacher is not None:
        speaker, shapes = with_layers(teacher, [layer for each in methods.values() for layer in each.teacher_layers])

        def answers(epoch: int) -> Answers:
            features = speaker(examples.view(epoch).inputs, training=False)[1]
            return Answers(said, {name: np.asarray(each) for name, each in features.items()})

    return Distilled(model, hard(model, examples), methods, chosen, epochs, answers, shapes), methods


class Killed(Exception):
    """What a test throws where a process would have ended."""


def trained(
    model: keras.Model,
    checkpoint: Path,
    objective: Objective | None = None,
    examples: TrainingSet | None = None,
    schedule: Schedule = SCHEDULE,
    trained_before: bool = False,
    report: Callable[[Epoch], None] = lambda epoch: None,
    advance: Callable[[int, int], None] = lambda done, steps: None,
) -> list[Epoch]:
    """Train a model, on hard labels where no objective is given, and return its epochs, those before `Killed` alone."""
    epochs: list[Epoch] = []
    examples = examples or toy()

    def noted(epoch: Epoch) -> None:
        epochs.append(epoch)
        report(epoch)

    with suppress(Killed):
        fit(
            model, examples, objective or hard(model, examples), schedule,
            seed=0, checkpoint=checkpoint, trained_before=trained_before, report=noted, advance=advance,
        )  # fmt: skip
    return epochs
