"""Any student learns from the layers of any teacher: every pair of architectures makes a step, and keeps no adapter."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from harness.errors import UserError  # noqa: E402
from harness.train.distill.method import Answers  # noqa: E402
from harness.train.distill.methods import choose  # noqa: E402
from harness.train.distill.objective import Distilled, with_layers  # noqa: E402
from harness.train.examples import TrainingSet, View  # noqa: E402
from harness.train.models import MODELS, build  # noqa: E402
from harness.train.models.quick import plain  # noqa: E402
from harness.train.recipe import Distill  # noqa: E402
from tests.train import toys  # noqa: E402

BATCH = 4
TINY: dict[str, dict[str, Any]] = {
    "dscnn": {"channels": 8, "blocks": 2},
    "hybrid": {"stem": 4, "dense": (8, 1), "squeeze": 4, "separable": (12, 1)},
    "resnet": {"stem": 4, "stages": ((6, 1), (8, 1), (10, 1))},
    "separable": {"stem": 4, "stages": ((6, 1), (14, 1))},
    "temporal": {"stem": 4, "stages": ((6, 1), (16, 1)), "strides": (2, 1)},
    "transformer": {"width": 8, "hidden": 8, "blocks": 1},
    "recurrent": {"units": (8,)},
}
"""Sizes of a family where its own take long."""


@pytest.fixture(autouse=True)
def eager() -> Iterator[None]:
    """Run a step as it is written: to compile it would take seconds for each pair."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@lru_cache
def few() -> TrainingSet:
    """Return one batch."""
    examples = toys.toy()
    view = examples.view(0)
    one = View(view.inputs[:BATCH], view.targets[:BATCH])
    held = (examples.validation_inputs[:BATCH], examples.validation_labels[:BATCH])
    return replace(examples, view=lambda epoch: one, labels=examples.labels[:BATCH],
                   validation_inputs=held[0], validation_labels=held[1])  # fmt: skip


@lru_cache
def model(architecture: str) -> "keras.Model":
    """Return a model of a family; one that is trained goes on."""
    keras.utils.set_random_seed(2)
    return untaught(architecture)


def untaught(architecture: str) -> "keras.Model":
    return build(architecture, toys.SHAPE, len(toys.CLASSES), **TINY.get(architecture, {}))


def layer_of(architecture: str) -> tuple[str, str]:
    """Return the name of the last layer that a family is proud of, and its number."""
    layers = [layer.name for layer in model(architecture).layers]
    name = [each for each in layers if re.fullmatch(r"(block|stage)\d+", each)][-1]
    return name, str(layers.index(name))


def learning(student: str, teacher: str, hint: dict[str, str] | None = None) -> tuple[Distilled, list[tuple[int, ...]]]:
    """Return the objective of a student with its teacher, and the shapes of both layers' outputs."""
    (name, _), (_, number) = layer_of(student), layer_of(teacher)
    told = {"student": name, "teacher": number} | (hint or {})
    settings = Distill("soft+hint", ("a",), methods={"hint": told})
    methods = choose(settings)
    speaker, theirs = with_layers(model(teacher), methods["hint"].teacher_layers)
    logits, features = speaker(few().view(0).inputs, training=False)
    said = Answers(np.asarray(logits)[:, None], {layer: np.asarray(each) for layer, each in features.items()})
    mine = with_layers(model(student), methods["hint"].student_layers)[1]
    objective = Distilled(
        model(student), toys.hard(model(student), few()), methods, settings, 1, lambda epoch: said, theirs
    )
    return objective, [*mine.values(), *theirs.values()]


@pytest.mark.parametrize("teacher", MODELS)
@pytest.mark.parametrize("student", MODELS)
def test_every_student_learns_from_every_teacher_and_keeps_no_adapter(
    student: str, teacher: str, tmp_path: Path
) -> None:
    own = [(weight.path, weight.shape) for weight in model(student).weights]
    objective, (mine, theirs) = learning(student, teacher)
    adapter, bias = objective.variables
    assert (tuple(adapter.shape), tuple(bias.shape)) == ((1, 1, mine[-1], theirs[-1]), theirs[-1:])
    before = [variable.numpy() for variable in (*model(student).trainable_variables, adapter)]
    fixed = [weight.numpy() for weight in model(teacher).weights] if teacher != student else []
    schedule = replace(toys.SCHEDULE, epochs=1, batch=BATCH, warmup=0.0, ema=0.0)
    [epoch] = toys.trained(model(student), tmp_path / "c.npz", objective, few(), schedule)
    assert set(epoch.terms) == {"soft", "hint", "hard"} and epoch.terms["hint"] > 0
    after = [variable.numpy() for variable in (*model(student).trainable_variables, adapter)]
    moved = [np.abs(new - old).max() > 0 for new, old in zip(after, before, strict=True)]
    assert moved[-1] and np.mean(moved) > 0.5
    assert [(weight.path, weight.shape) for weight in model(student).weights] == own
    for weight, old in zip(model(teacher).weights if fixed else [], fixed, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_what_is_written_after_a_lesson_has_the_students_weights_alone(tmp_path: Path) -> None:
    student, teacher = list(MODELS)[:2]
    objective, _ = learning(student, teacher)
    schedule = replace(toys.SCHEDULE, epochs=1, batch=BATCH)
    toys.trained(model(student), tmp_path / "c.npz", objective, few(), schedule)
    plain(model(student)).save(tmp_path / "student.keras")
    written = keras.saving.load_model(tmp_path / "student.keras", compile=False)
    before = plain(untaught(student))
    assert written.count_params() == before.count_params()
    assert [type(layer) for layer in written.layers] == [type(layer) for layer in before.layers]


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        ({"student": "stag1"}, r"expected a layer of dscnn of .*block2.*, or its number from 0 to \d+, got 'stag1'"),
        ({"student": "blok2"}, r"got 'blok2'; did you mean 'block2'\?"),
        ({"teacher": "1000"}, r"expected a layer of resnet of .*stage3.*, or its number from 0 to \d+, got '1000'"),
        (
            {"teacher": "-1"},
            r"of maps .*, the teacher's '-1' has the shape \(3,\); name a convolution or an activation",
        ),
        (
            {"student": "-2"},
            r"of maps .*, the student's '-2' has the shape \(8,\); name a convolution or",
        ),
    ],
)
def test_layers_that_do_not_go_together_are_explained(hint: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        learning("dscnn", "resnet", hint)
    assert "\n" not in str(raised.value)


def test_as_many_layers_of_the_one_as_of_the_other() -> None:
    layers = {"student": ["block1", "block2"], "teacher": ["stage1"]}
    with pytest.raises(UserError, match=r"expected as many layers for student as for teacher, one at least, in"):
        choose(Distill("hint", ("a",), methods={"hint": layers}))


def test_steps_count_as_maps_one_wide() -> None:
    """What a network of frames or tokens says: (steps, channels)."""
    inputs = keras.Input(toys.SHAPE)
    steps = keras.layers.Dense(7, name="steps")(keras.layers.Reshape(toys.SHAPE[:2])(inputs))
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(steps))
    network = keras.Model(inputs, logits)
    named, shapes = with_layers(network, ["steps"])
    assert shapes == {"steps": (12, 1, 7)}
    batch = few().view(0).inputs
    plain = keras.Model(inputs, steps)(batch)
    np.testing.assert_array_equal(np.asarray(named(batch)[1]["steps"])[:, :, 0], np.asarray(plain))
