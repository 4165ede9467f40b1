"""The quick layers compute what Keras's own do, forwards, backwards and in their moving statistics."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

from harness.train.models import MODELS, build  # noqa: E402
from harness.train.models.quick import QuickDepthwise, QuickNormalization, plain  # noqa: E402
from tests.train.test_models import SHAPES  # noqa: E402


def stepped(layer: Any, inputs: np.ndarray, **call: bool) -> list[np.ndarray]:
    """Return the outputs, the gradients of the sum of their cubes, and the weights of a layer that saw a batch."""
    x = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, **call)
        loss = tf.reduce_sum(outputs**3)
    gradients = tape.gradient(loss, [x, *layer.trainable_variables])
    return [np.asarray(each) for each in (outputs, *gradients, *layer.weights)]


def check_same(quick: Any, own: Any, inputs: np.ndarray, **call: bool) -> None:
    """Compare two layers that get the same weights."""
    for layer in (quick, own):
        layer.build(inputs.shape)
    weights = [np.random.default_rng(5).uniform(0.5, 1.5, each.shape).astype(np.float32) for each in own.weights]
    for layer in (quick, own):
        layer.set_weights(weights)
    for found, expected in zip(stepped(quick, inputs, **call), stepped(own, inputs, **call), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(expected).max())))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(1, 9), st.integers(1, 7), st.integers(1, 5), st.booleans())
def test_normalisation(batch: int, height: int, width: int, channels: int, training: bool) -> None:
    inputs = np.random.default_rng(height).normal(2, 3, (batch, height, width, channels)).astype(np.float32)
    check_same(QuickNormalization(momentum=0.98), layers.BatchNormalization(momentum=0.98), inputs, training=training)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 5), st.sampled_from([(9, 1), (4, 1), (3, 3)]),
       st.integers(1, 2))  # fmt: skip
def test_depthwise(batch: int, height: int, channels: int, kernel: tuple[int, int], stride: int) -> None:
    inputs = np.random.default_rng(height).normal(size=(batch, height, 1, channels)).astype(np.float32)
    options = {"strides": stride, "padding": "same", "use_bias": False}
    check_same(QuickDepthwise(kernel, **options), layers.DepthwiseConv2D(kernel, **options), inputs)


@pytest.mark.parametrize("architecture", sorted(MODELS))
def test_a_plain_model_has_the_same_outputs_and_names(architecture: str) -> None:
    quick = build(architecture, SHAPES[architecture], 5)
    own = plain(quick)
    inputs = np.random.default_rng(3).normal(size=(4, *SHAPES[architecture])).astype(np.float32)
    assert not any(type(layer).__module__.startswith("harness") for layer in own.layers)
    assert [layer.name for layer in own.layers[1:]] == [layer.name for layer in quick.layers[1:]]
    np.testing.assert_allclose(np.asarray(own(inputs)), np.asarray(quick(inputs)), rtol=1e-4, atol=1e-5)
