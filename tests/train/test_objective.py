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
from harness.train.distill.method import Answers, Method  # noqa: E402
from harness.train.distill.methods import METHODS  # noqa: E402
from harness.train.recipe import Distill  # noqa: E402
from tests.train import toys  # noqa: E402

HINT = {"hint_student": "features", "hint_teacher": "features"}
SAID = np.random.default_rng(5).normal(0, 2, (toys.COUNT, 1, 3)).astype(np.float32)


class Parts:
    """A student with two terms and its teacher, and a batch."""

    def __init__(self, method: str = "soft+hint", **settings: object) -> None:
        self.examples = toys.toy()
        self.student, self.guide = toys.network(), toys.network("teacher", 2)
        features = {"guide": self.guide, **HINT} if "hint" in method else {}
        self.objective, self.methods = toys.distilled(
            self.student, self.examples, SAID, **{"method": method, **features, **settings}
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
            for model, training in ((self.student, True), (self.guide, False))
        ]
        logits = self.student(self.inputs, training=True)
        mine, theirs = Answers(logits, features[0]), Answers(self.columns[0], features[1])
        found = {
            name: float(method.compute_loss(theirs, mine, temperature=temperature))
            for name, method in self.methods.items()
        }
        return found | {"hard": float(toys.hard(self.student, self.examples).loss(logits, self.targets))}


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts(temperature=(2.0, 6.0), alpha=(0.2, 1.0), hint_weight=3.0)


@settings(max_examples=15, deadline=None)
@given(done=st.floats(0, 1, width=32))
def test_the_loss_is_its_terms_weighted_as_the_moment_says(parts: Parts, done: float) -> None:
    temperature, alpha = 2 + 4 * done, 0.2 + 0.8 * done
    alone = parts.alone(temperature)
    expected = {"soft": alpha * alone["soft"], "hint": alone["hint"], "hard": (1 - alpha) * alone["hard"]}
    assert parts.terms(done) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_hint_alone_takes_nothing_from_the_labels() -> None:
    parts = Parts("hint", alpha=(0.9, 0.9))
    assert parts.terms(0.5) == pytest.approx({k: v for k, v in parts.alone(1.0).items() if k != "soft"}, rel=1e-5)


def test_the_first_epochs_may_learn_from_the_hint_alone(tmp_path: Path) -> None:
    parts = Parts(hint_epochs=2, epochs=5)
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
        ({"hint_student": "block9"}, r"expected a layer of student of .*features.*, got 'block9'"),
        ({"hint_teacher": "block9"}, r"expected a layer of teacher of .*features.*, got 'block9'"),
        ({"hint_teacher": "logits"}, r"expected layers with maps .* \(6, 5, 8\) and \(3,\)"),
    ],
)
def test_a_layer_that_is_none_is_named_with_those_that_are(layers: dict[str, str], message: str) -> None:
    student, teacher = toys.network(), toys.network("teacher")
    with pytest.raises(UserError, match=message) as raised:
        toys.distilled(student, toys.toy(), SAID, teacher, **{"method": "hint", **HINT, **layers})
    assert "\n" not in str(raised.value)


def standardised(features: np.ndarray) -> np.ndarray:
    mean, variance = features.mean(axis=(0, 1, 2)), features.var(axis=(0, 1, 2))
    return (features - mean) / np.sqrt(variance + 1e-5)


def hint(student: tuple[int, ...], teacher: tuple[int, ...], weight: float = 1.0) -> tuple[Method, Answers, Answers]:
    """Return a hint over random maps of these shapes (height, width, channels)."""
    random = np.random.default_rng(3)
    made = METHODS["hint"](Distill("hint", ("a",), hint_student="s", hint_teacher="t", hint_weight=weight))
    made.build({"s": student}, {"t": teacher})
    mine, theirs = (tf.constant(random.normal(2, 3, (4, *shape)).astype(np.float32)) for shape in (student, teacher))
    return made, Answers(None, {"t": theirs}), Answers(None, {"s": mine})


def test_a_hint_is_the_distance_of_a_1x1_convolution_from_standardised_features() -> None:
    made, theirs, mine = hint((6, 5, 8), (6, 5, 3), weight=2.5)
    kernel, bias = (variable.numpy() for variable in made.variables)
    guessed = np.einsum("nhwc,cd->nhwd", mine.features["s"], kernel[0, 0]) + bias
    expected = 2.5 * np.mean((guessed - standardised(theirs.features["t"].numpy())) ** 2)
    assert float(made.compute_loss(theirs, mine, temperature=1.0)) == pytest.approx(expected, rel=1e-4)


def test_a_hint_does_not_hang_on_how_large_the_teachers_features_are() -> None:
    made, theirs, mine = hint((6, 5, 8), (6, 5, 3))
    louder = Answers(None, {"t": 50 * theirs.features["t"] - 7})
    terms = [float(made.compute_loss(each, mine, temperature=1.0)) for each in (theirs, louder)]
    assert terms[0] == pytest.approx(terms[1], rel=1e-3)


@pytest.mark.parametrize("teacher", [(6, 5, 3), (12, 10, 3), (3, 3, 16), (13, 1, 1), (1, 1, 8)])
def test_maps_of_any_sizes_can_be_compared(teacher: tuple[int, ...]) -> None:
    made, theirs, mine = hint((6, 5, 8), teacher)
    features = tf.Variable(mine.features["s"])
    with tf.GradientTape() as tape:
        loss = made.compute_loss(theirs, Answers(None, {"s": features}), temperature=1.0)
    slopes = tape.gradient(loss, [features, *made.variables])
    assert np.isfinite(loss) and all(np.abs(slope).max() > 0 for slope in slopes)


def test_a_regressor_is_trained_and_checkpointed_but_not_exported_and_the_teacher_stays(
    tmp_path: Path,
) -> None:
    parts = Parts()
    regressor = parts.methods["hint"].variables
    before, teacher = [variable.numpy() for variable in regressor], parts.guide.get_weights()
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
    for old, new in zip(teacher, parts.guide.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
