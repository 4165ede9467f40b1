"""Soft targets against numpy, against Keras's own divergence, and at the limit of section 2.1 of the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from harness.train.distill.method import Answers, Moment, Settings  # noqa: E402
from harness.train.distill.soft import SoftTargets  # noqa: E402

temperatures = st.floats(0.5, 20)
quick = settings(max_examples=50, deadline=None)


@st.composite
def answers(draw: st.DrawFn, most: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Draw the logits of at most so many teachers (batch, teachers, classes) and of a student (batch, classes)."""
    batch, classes = draw(st.integers(1, 8)), draw(st.integers(2, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    taught = random.normal(0, draw(st.floats(0.1, 3)), (batch, draw(st.integers(1, most)), classes))
    return taught.astype(np.float32), random.normal(0, 2, (batch, classes)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def term(taught: np.ndarray, said: np.ndarray, temperature: float) -> tuple[float, np.ndarray]:
    """Return the term and its gradient with respect to the student's logits."""
    logits = tf.Variable(said)
    with tf.GradientTape() as tape:
        loss = SoftTargets(Settings()).compute_loss(
            Answers(tf.constant(taught), {}), Answers(logits, {}), moment=Moment(None, None, temperature)
        )
    return float(loss), tape.gradient(loss, logits).numpy()


@quick
@given(answers(), temperatures)
def test_it_is_the_divergence_from_the_mean_of_the_teachers_probabilities(
    logits: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    taught, said = (each.astype(np.float64) for each in logits)
    p, q = softmax(taught / temperature).mean(axis=1), softmax(said / temperature)
    expected = temperature**2 * np.mean(np.sum(p * np.log(p / q), axis=1))
    gradient = temperature * (q - p) / len(said)
    value, slope = term(*logits, temperature)
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-6 * temperature**2)
    np.testing.assert_allclose(slope, gradient, rtol=1e-4, atol=1e-6 * temperature)


@quick
@given(answers(1), temperatures)
def test_of_one_teacher_it_is_keras_divergence_times_the_square_of_the_temperature(
    logits: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    taught, said = (np.clip(each, -3, 3) for each in logits)  # Keras clips probabilities at 1e-7
    theirs = keras.losses.KLDivergence()(softmax(taught[:, 0] / temperature), softmax(said / temperature))
    value, _ = term(taught, said, temperature)
    assert value == pytest.approx(temperature**2 * float(theirs), rel=1e-3, abs=2e-6 * temperature**2)


@quick
@given(answers(1), temperatures, st.floats(-5, 5))
def test_who_says_what_the_teacher_says_has_nothing_to_learn(
    logits: tuple[np.ndarray, np.ndarray], temperature: float, constant: float
) -> None:
    taught, _ = logits
    value, slope = term(taught, taught[:, 0] + np.float32(constant), temperature)
    assert value == pytest.approx(0, abs=1e-6 * temperature**2)
    np.testing.assert_allclose(slope, 0, atol=1e-6 * temperature)


@quick
@given(answers(1))
def test_at_a_high_temperature_it_matches_logits(logits: tuple[np.ndarray, np.ndarray]) -> None:
    """Section 2.1: for logits of mean zero the gradient becomes (z_s - z_t) / (batch * classes)."""
    taught, said = (each.astype(np.float64) - each.mean(axis=-1, keepdims=True) for each in logits)
    limit = (said - taught[:, 0]) / said.size
    errors = [np.abs(term(taught, said, temperature)[1] - limit).max() for temperature in (1e3, 1e4, 1e5)]
    size = max(np.abs(limit).max(), 1e-3)
    assert errors[0] < 0.02 * size
    assert errors[2] < 0.02 * errors[0] + 1e-5 * size  # of rounding
