"""A hypothesis strategy for networks as pruning leaves them: full of channels that are constant or that nobody reads.

Constants lie below, at and above the zero point, and meet SAME borders, strides, residuals, pools and flattened rows.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.support.strategies import Case, activations, samples, scales, seeds, zero_points
from tests.support.tflite_builder import ModelBuilder, Q

MAX_CHANNELS = 9
SCALES = scales.filter(lambda scale: scale < 8)  # as LOGISTIC demands


class Network:
    """A network that grows at its end, `x`; `seen` are the tensors so far."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(seeds))
        self.b = ModelBuilder()
        shape = (1, draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 5)))
        self.x = self.b.input(shape, self.quantization())
        self.seen = [self.x]
        self.steps: list[str] = []

    def grow(self, step: str) -> None:
        """Add an operator, or a few."""
        self.x = STEPS[step](self)
        self.seen.append(self.x)
        self.steps.append(f"{step} -> {self.b.shape(self.x)} {self.b.q(self.x)}")

    @property
    def channels(self) -> int:
        return self.b.shape(self.x)[-1]

    def quantization(self) -> Q:
        """Draw what a ReLU leaves, mostly."""
        return Q(self.draw(SCALES), self.draw(st.one_of(st.just(-128), zero_points)))

    def options(self) -> dict[str, Any]:
        """Draw stride and padding for a window of 3x3."""
        fits = min(self.b.shape(self.x)[1:3]) >= 3
        padding = self.draw(st.sampled_from(("SAME", "SAME", "VALID"))) if fits else "SAME"
        return {"stride": (self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2))), "padding": padding}

    def activation(self) -> str:
        return self.draw(st.one_of(st.just("RELU"), activations))

    def weights(self, shape: tuple[int, ...], axis: int) -> np.ndarray:
        """Return weights of which some output channels, and some input channels, are zero."""
        weights = self.rng.integers(-127, 128, shape, dtype=np.int8)
        lines = np.moveaxis(weights, axis, 0)
        lines[self.rng.random(len(lines)) < self.rng.choice([0, 0, 0.3, 0.7])] = 0
        if axis == 0:
            weights[..., self.rng.random(shape[-1]) < self.rng.choice([0, 0.4])] = 0
        return weights

    def numbers(self, channels: int, depth: int, q: Q, out: Q) -> tuple[list[float], np.ndarray | None]:
        """Return scales and a bias.

        The scales map a typical accumulator to the range of int8; some channels have a tiny one. The bias alone gives
        outputs from below the range to above it.
        """
        typical = 127 * 127 * depth**0.5
        factors = self.rng.uniform(0.3, 1.5, channels if self.draw(st.booleans()) else 1)
        if len(factors) > 1:
            factors[self.rng.random(channels) < 0.2] *= self.rng.choice([1, 1, 1e-3, 1e-12])
        found = [float(np.float32(out.scale * 100 / typical / q.scale * factor)) for factor in factors]
        span = self.rng.choice([0, 0.3, 1.5])
        bias = self.rng.uniform(-span * typical, span * typical, channels).astype(int)
        return found, bias if self.draw(st.integers(0, 3)) else None

    def conv_2d(self, window: int, channels: int, x: int) -> int:
        q, out = self.b.q(x), self.quantization()
        weights = self.weights((channels, window, window, self.b.shape(x)[3]), 0)
        options = self.options() if window > 1 else {}
        numbers = self.numbers(channels, weights[0].size, q, out)
        return self.b.conv_2d(x, weights, *numbers, out, activation=self.activation(), **options)

    def fully_connected(self, x: int) -> int:
        out, channels = self.quantization(), self.draw(st.integers(1, MAX_CHANNELS))
        weights = self.weights((channels, prod(self.b.shape(x))), 0)
        numbers = self.numbers(channels, weights.shape[1], self.b.q(x), out)
        return self.b.fully_connected(x, weights, *numbers, out, activation=self.activation())


def _pointwise(n: Network) -> int:
    return n.conv_2d(1, n.draw(st.integers(1, MAX_CHANNELS)), n.x)


def _conv_3x3(n: Network) -> int:
    return n.conv_2d(3, n.draw(st.integers(1, MAX_CHANNELS)), n.x)


def _depthwise(n: Network) -> int:
    out, channels = n.quantization(), n.channels * n.draw(st.sampled_from((1, 1, 1, 2)))
    weights = n.weights((1, 3, 3, channels), 3)
    numbers = n.numbers(channels, 9, n.b.q(n.x), out)
    return n.b.depthwise_conv_2d(n.x, weights, *numbers, out, activation=n.activation(), **n.options())


def _sum_scale(n: Network, *tensors: int) -> Q:
    return Q(max(n.b.q(t).scale for t in tensors), n.draw(zero_points))


def _residual(n: Network) -> int:
    """Add an earlier tensor of the same shape where there is one, else a branch of one layer."""
    earlier = [t for t in n.seen[:-1] if n.b.shape(t) == n.b.shape(n.x)]
    other = n.draw(st.sampled_from(earlier)) if earlier else n.conv_2d(1, n.channels, n.x)
    return n.b.add(n.x, other, _sum_scale(n, n.x, other), activation=n.activation())


def _add_constant(n: Network) -> int:
    size = n.draw(st.sampled_from((1, n.channels)))
    constant = n.b.tensor((size,), Q(n.b.q(n.x).scale, 3), data=n.rng.integers(-128, 128, size, dtype=np.int8))
    return n.b.add(n.x, constant, _sum_scale(n, n.x, constant))


def _pool(n: Network) -> int:
    op = n.draw(st.sampled_from(("AVERAGE_POOL_2D", "MAX_POOL_2D")))
    return n.b.pool_2d(n.x, op, (3, 3), activation=n.activation(), **n.options())


STEPS: dict[str, Callable[[Network], int]] = {
    "pointwise": _pointwise,
    "conv 3x3": _conv_3x3,
    "depthwise": _depthwise,
    "residual": _residual,
    "constant": _add_constant,
    "pool": _pool,
    "relu": lambda n: n.b.relu(n.x, n.quantization(), n.draw(st.sampled_from(("RELU", "RELU6")))),
    "logistic": lambda n: n.b.logistic(n.x),
    "quantize": lambda n: n.b.quantize(n.x, n.quantization()),
    "pad": lambda n: n.b.pad(n.x, ((0, 0), (1, 0), (0, 2), (0, 0))),
    "mean": lambda n: n.b.mean(n.x, (1, 2), n.quantization()),
    "whole pool": lambda n: n.b.pool_2d(n.x, "AVERAGE_POOL_2D", n.b.shape(n.x)[1:3], padding="VALID"),
    "flatten": lambda n: n.b.reshape(n.x, (1, prod(n.b.shape(n.x)))),
    "fully connected": lambda n: n.fully_connected(n.x),
    "softmax": lambda n: n.b.softmax(n.x),
}
BODY = st.one_of(
    st.sampled_from(("pointwise", "depthwise", "conv 3x3")),
    st.sampled_from(("residual", "constant", "pool", "relu", "logistic", "quantize", "pad")),
)
HEADS = (
    ("whole pool", "flatten", "fully connected"),
    ("mean", "fully connected", "fully connected"),
    ("flatten", "fully connected"),
    ("fully connected",),
    (),
)


@st.composite
def pruned_networks(draw: st.DrawFn) -> Case:
    """A chain of up to nine steps, sometimes with a tensor from its middle as a second output."""
    network = Network(draw)
    for step in ("pointwise", *draw(st.lists(BODY, min_size=2, max_size=6)), *draw(st.sampled_from(HEADS))):
        network.grow(step)
    b, outputs = network.b, [network.x]
    if draw(st.integers(0, 3)) == 0 and len(network.seen) > 2:
        outputs.append(draw(st.sampled_from(network.seen[1:-1])))
    shape = b.shape(network.seen[0])
    return Case(b.build(*outputs), (samples(draw, shape),), f"{shape}: {', '.join(network.steps)}; out {outputs}")
