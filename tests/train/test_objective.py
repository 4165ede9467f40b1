"""The loss of distillation is made of its terms exactly, at each moment of a run; hints compare what they should."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from harness.errors import UserError  # noqa: E402
from harness.train.distill.method import Answers, Moment  # noqa: E402
from harness.train.distill.objective import with_layers  # noqa: E402
from tests.train import toys  # noqa: E402

SAID = np.random.default_rng(5).normal(0, 2, (toys.COUNT, 1, 3)).astype(np.float32)


class Parts:
    """A student with two terms and its teacher, and a batch."""

    def __init__(self, method: str = "soft+hint", **settings: object) -> None:
        self.examples = toys.toy()
        self.student, self.teacher = toys.network(), toys.network("teacher", 2)
        self.objective, self.methods = toys.distilled(
            self.student, self.examples, SAID, self.teacher, **{"method": method, "methods": toys.HINT, **settings}
        )
        view = self.examples.view(0)
        self.inputs, self.targets = tf.constant(view.inputs[:32]), tf.constant(view.targets[:32])
        self.columns = tuple(tf.constant(column[:32]) for column in self.objective.columns(0))

    def terms(self, done: float) -> dict[str, float]:
        found = self.objective.terms(self.inputs, self.targets, self.columns, tf.constant(done))
        return {name: float(value) for name, value in found.items()}

    def alone(self, temperature: float) -> dict[str, float]:
        """Return each term as its method alone gives it."""
        features = [
            {"features": keras.Model(model.inputs, model.get_layer("features").output)(self.inputs, training=training)}
            for model, training in ((self.student, True), (self.teacher, False))
        ]
        logits = self.student(self.inputs, training=True)
        mine, theirs = Answers(logits, features[0]), Answers(self.columns[0], features[1])
        moment = Moment(self.inputs, self.targets, temperature)
        found = {name: float(method.compute_loss(theirs, mine, moment=moment)) for name, method in self.methods.items()}
        return found | {"hard": float(toys.hard(self.student, self.examples).loss(logits, self.targets))}


@pytest.fixture(scope="module")
def parts() -> Parts:
    told = {"hint": {**toys.HINT["hint"], "weight": 3.0}, "soft": {"weight": 0.5}}
    return Parts(temperature=(2.0, 6.0), alpha=(0.2, 1.0), methods=told)


@settings(max_examples=15, deadline=None)
@given(done=st.floats(0, 1, width=32))
def test_the_loss_is_its_terms_weighted_as_the_moment_says(parts: Parts, done: float) -> None:
    temperature, alpha = 2 + 4 * done, 0.2 + 0.8 * done
    alone = parts.alone(temperature)
    expected = {"soft": 0.5 * alpha * alone["soft"], "hint": 3 * alone["hint"], "hard": (1 - alpha) * alone["hard"]}
    assert parts.terms(done) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_hint_alone_takes_nothing_from_the_labels() -> None:
    parts = Parts("hint", alpha=(0.9, 0.9))
    assert parts.terms(0.5) == pytest.approx({k: v for k, v in parts.alone(1.0).items() if k != "soft"}, rel=1e-5)


def test_the_first_epochs_may_learn_from_the_hint_alone(tmp_path: Path) -> None:
    parts = Parts(features_first=2, epochs=5)
    schedule = replace(toys.SCHEDULE, epochs=5)
    epochs = toys.trained(parts.student, tmp_path / "c.npz", parts.objective, parts.examples, schedule)
    for epoch in epochs:
        others = [epoch.terms["soft"], epoch.terms["hard"]]
        assert epoch.terms["hint"] > 0
        assert others == [0, 0] if epoch.number < 2 else min(others) > 0


def test_without_the_teachers_share_it_is_learning_from_labels(tmp_path: Path) -> None:
    plain, student = toys.network(), toys.network()
    objective, _ = toys.distilled(student, toys.toy(), SAID, alpha=(0.0, 0.0))
    toys.trained(plain, tmp_path / "plain.npz")
    toys.trained(student, tmp_path / "student.npz", objective)
    for mine, theirs in zip(student.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            {"student": "block9"},
            r"expected a layer of student of .*features.*, or its number from 0 to 6, got 'block9'",
        ),
        ({"student": "7"}, r"expected a layer of student of .*features.*, got '7'"),
        ({"teacher": "block9"}, r"expected a layer of teacher of .*features.*, got 'block9'"),
        ({"teacher": "logits"}, r"expected a layer of maps .* 'hint', the teacher's 'logits' has the shape \(3,\)"),
        ({"student": "-2"}, r"expected a layer of maps .* 'hint', the student's '-2' has the shape \(8,\)"),
    ],
)
def test_a_layer_that_will_not_do_is_named_with_those_that_are(layers: dict[str, str], message: str) -> None:
    student, teacher = toys.network(), toys.network("teacher")
    with pytest.raises(UserError, match=message) as raised:
        toys.distilled(student, toys.toy(), SAID, teacher, method="hint", methods={"hint": toys.HINT["hint"] | layers})
    assert "\n" not in str(raised.value)


def test_layers_go_by_name_and_by_number() -> None:
    model = toys.network()
    named, shapes = with_layers(model, ["features", "3", "-4"])
    outputs = named(toys.toy().calibration)[1]
    assert shapes == dict.fromkeys(("features", "3", "-4"), (6, 5, 8))
    for name in ("3", "-4"):
        np.testing.assert_array_equal(outputs[name], outputs["features"])


def test_a_regressor_is_trained_and_checkpointed_but_not_exported_and_the_teacher_stays(
    tmp_path: Path,
) -> None:
    parts = Parts()
    regressor = parts.methods["hint"].variables
    before, teacher = [variable.numpy() for variable in regressor], parts.teacher.get_weights()
    plain = [weight.shape for weight in toys.network().weights]
    epochs = toys.trained(parts.student, tmp_path / "c.npz", parts.objective, parts.examples)
    after = [variable.numpy() for variable in regressor]
    assert len(after) == 2
    assert epochs[-1].terms["hint"] < epochs[0].terms["hint"]
    assert all(np.abs(new - old).max() > 0 for new, old in zip(after, before, strict=True))
    with np.load(tmp_path / "c.npz") as saved:
        kept = [saved[name] for name in saved]
    assert all(any(np.array_equal(value, each) for each in kept) for value in after)
    assert [weight.shape for weight in parts.student.weights] == plain
    for old, new in zip(teacher, parts.teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
