"""Hypothesis strategies for whole models, one operator or a small graph each, at the edges of what is allowed.

Hypothesis chooses the structure (shapes, strides, quantisation); the arrays come from a seeded generator in one of
several moods, because a thousand weights drawn one by one would cost more than they find.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.support.tflite_builder import ModelBuilder, Q

SAMPLES = 6  # inputs a model: four special ones, the rest random
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


@dataclass(frozen=True)
class Case:
    """A model, a batch of inputs for it, and what it is, for a failing test's message."""

    model: bytes
    inputs: tuple[np.ndarray, ...]
    label: str

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Keep the bytes out of hypothesis's report."""
        printer.text(f"Case({self.label})")


zero_points = st.one_of(st.sampled_from((-128, 127, 0)), st.integers(-128, 127))
scales = st.one_of(st.sampled_from((2.0**-8, 1.0, 0.1)), st.floats(1e-4, 8.0)).map(lambda x: float(np.float32(x)))
activations = st.sampled_from(ACTIVATIONS)
quantizations = st.builds(Q, scales, zero_points)
seeds = st.integers(0, 2**32 - 1)
paddings = st.sampled_from(("SAME", "VALID"))


@dataclass(frozen=True)
class Sizes:
    """How large models get.

    Attributes:
        plane: the largest height and width, unless the window asks for more.
        windows: height and width of a convolution's or pool's window.
        depthwise_windows: of a depthwise convolution's.
        dilations: of an axis.
        channels: into and out of a convolution.
        weights: of one layer at most.
        depth: of a fully connected layer.
        dense_channels: of it.
        add: the largest dimension of a sum.
    """

    plane: int
    windows: st.SearchStrategy[tuple[int, int]]
    depthwise_windows: st.SearchStrategy[tuple[int, int]]
    dilations: st.SearchStrategy[int]
    channels: st.SearchStrategy[int]
    weights: int
    depth: st.SearchStrategy[int]
    dense_channels: st.SearchStrategy[int]
    add: int


_up_to_4 = st.tuples(st.integers(1, 4), st.integers(1, 4))
SMALL = Sizes(
    plane=9, windows=_up_to_4, depthwise_windows=_up_to_4, dilations=st.integers(1, 2), channels=st.integers(1, 7),
    weights=1000, depth=st.integers(1, 40), dense_channels=st.integers(1, 9), add=5,
)  # fmt: skip
"""For this machine with every sanitiser; any C compiler's loops are the same for larger ones."""
LARGE = Sizes(
    plane=13,
    windows=st.one_of(st.sampled_from(((1, 1), (3, 3), (3, 3), (5, 5), (10, 4), (1, 3), (3, 1), (2, 2))), _up_to_4),
    depthwise_windows=st.one_of(st.sampled_from(((3, 3), (3, 3), (1, 3), (3, 1))), st.tuples(*[st.integers(1, 5)] * 2)),
    dilations=st.sampled_from((1, 1, 1, 2)),
    channels=st.one_of(st.sampled_from((1, 3, 4, 8, 16, 32, 64)), st.integers(1, 70)),
    weights=30_000,
    depth=st.integers(1, 300),
    dense_channels=st.one_of(st.integers(1, 17), st.integers(1, 100)),
    add=14,
)  # fmt: skip
"""For generated kernels, which treat channels in groups, long and short lines differently, and so on."""


def _size(draw: st.DrawFn, window: int, dilation: int, padding: str, largest: int) -> int:
    """Draw the size of one axis so that at least one position fits."""
    least = 1 if padding == "SAME" else (window - 1) * dilation + 1
    return draw(st.integers(least, max(least, largest)))


def _window(
    draw: st.DrawFn, dilated: bool, sizes: Sizes, windows: st.SearchStrategy[tuple[int, int]] | None = None
) -> tuple[tuple[int, int], tuple[int, int], dict[str, object]]:
    """Draw both axes: size, window, and the options they share (one padding for both)."""
    padding, window = draw(paddings), draw(sizes.windows if windows is None else windows)
    stride = draw(st.one_of(st.sampled_from(((1, 1), (2, 2))), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    dilation = (draw(sizes.dilations), draw(sizes.dilations)) if dilated else (1, 1)
    h, w = (_size(draw, window[i], dilation[i], padding, sizes.plane) for i in (0, 1))
    options: dict[str, object] = {"stride": stride, "padding": padding}
    return (h, w), window, options | ({"dilation": dilation} if dilated else {})


def _weights(draw: st.DrawFn, shape: tuple[int, ...], channel_axis: int) -> np.ndarray:
    """Draw int8 weights: random, sparse or extreme, some channels all zero or all extreme."""
    rng = np.random.default_rng(draw(seeds))
    mood = draw(st.sampled_from(("random", "small", "extreme")))
    if mood == "random":
        weights = rng.integers(-127, 128, shape)
    elif mood == "small":
        weights = rng.integers(-1, 2, shape)
    else:
        weights = rng.choice([-128, -127, 127], shape)
    lines = np.moveaxis(weights, channel_axis, 0)
    for value in (0, 127, -127):
        if draw(st.booleans()):
            lines[rng.integers(len(lines))] = value
    return weights.astype(np.int8)


def _bias(draw: st.DrawFn, channels: int) -> np.ndarray | None:
    """Draw no bias, a usual one, or one near the ends of int32."""
    span = draw(st.sampled_from((None, 0, 5000, 2**22, 2**29, 2**30)))
    return None if span is None else np.random.default_rng(draw(seeds)).integers(-span, span + 1, channels)


def _scales(draw: st.DrawFn, channels: int, in_scale: float, out: Q, depth: int) -> list[float]:
    """Draw weight scales, one or one a channel, that give a usual, a tiny or a saturating requantisation.

    The usual one maps a typical accumulator (127 * 127 * sqrt(depth)) to the range of int8.
    """
    usual = out.scale * 100 / (127 * 127 * depth**0.5) / in_scale
    factor = draw(st.sampled_from((1.0, 1.0, 0.05, 1e-6, 40.0, 1e5)))
    count = channels if draw(st.booleans()) else 1
    spread = np.random.default_rng(draw(seeds)).uniform(0.1, 2.0, count)
    return [float(np.float32(usual * factor * s)) for s in spread]


def samples(draw: st.DrawFn, shape: tuple[int, ...], zero_point: int = 0) -> np.ndarray:
    """Draw a batch of int8 inputs: all lowest, all highest, random extremes, all zero, the rest random."""
    rng = np.random.default_rng(draw(seeds))
    batch = rng.integers(-128, 128, (SAMPLES, *shape), dtype=np.int8)
    batch[0], batch[1], batch[3] = -128, 127, zero_point
    batch[2] = rng.choice(np.array([-128, 127], np.int8), shape)
    return batch


def _label(op: str, *facts: object) -> str:
    return f"{op} {' '.join(map(str, facts))}"


@st.composite
def conv_2d(draw: st.DrawFn, sizes: Sizes = SMALL, windows: st.SearchStrategy[tuple[int, int]] | None = None) -> Case:
    """CONV_2D, sometimes followed by a RELU or RELU6 of its own (which a pass may fuse)."""
    (h, w), window, options = _window(draw, True, sizes, windows)
    channels = draw(sizes.channels)
    out_c = min(draw(sizes.channels), max(1, sizes.weights // (window[0] * window[1] * channels)))
    q, out = draw(quantizations), draw(quantizations)
    weights = _weights(draw, (out_c, *window, channels), 0)
    weight_scales = _scales(draw, out_c, q.scale, out, window[0] * window[1] * channels)
    b = ModelBuilder()
    x = b.input((draw(st.integers(1, 2)), h, w, channels), q)
    follow = draw(st.sampled_from((None, None, "RELU", "RELU6")))
    activation = "NONE" if follow else draw(activations)
    y = b.conv_2d(x, weights, weight_scales, _bias(draw, out_c), out, activation=activation, **options)  # type: ignore[arg-type]
    if follow:
        y = b.relu(y, out if draw(st.booleans()) else draw(quantizations), follow)
    label = _label("CONV_2D", b.shape(x), weights.shape, options, q, out, weight_scales, activation, follow)
    return Case(b.build(y), (samples(draw, b.shape(x), q.zero_point),), label)


@st.composite
def depthwise_conv_2d(draw: st.DrawFn, sizes: Sizes = SMALL) -> Case:
    """DEPTHWISE_CONV_2D with depth multipliers 1 to 3, mostly 1."""
    (h, w), window, options = _window(draw, True, sizes, sizes.depthwise_windows)
    channels, multiplier = draw(sizes.channels), draw(st.sampled_from((1, 1, 1, 2, 3)))
    out_c = channels * multiplier
    q, out = draw(quantizations), draw(quantizations)
    weights = _weights(draw, (1, *window, out_c), 3)
    weight_scales = _scales(draw, out_c, q.scale, out, window[0] * window[1])
    b = ModelBuilder()
    x = b.input((draw(st.integers(1, 2)), h, w, channels), q)
    activation = draw(activations)
    y = b.depthwise_conv_2d(
        x, weights, weight_scales, _bias(draw, out_c), out, activation=activation, **options  # type: ignore[arg-type]
    )  # fmt: skip
    label = _label("DEPTHWISE_CONV_2D", b.shape(x), weights.shape, options, q, out, weight_scales, activation)
    return Case(b.build(y), (samples(draw, b.shape(x), q.zero_point),), label)


@st.composite
def fully_connected(draw: st.DrawFn, sizes: Sizes = SMALL) -> Case:
    """FULLY_CONNECTED over inputs of two or four dimensions."""
    depth, channels, rows = draw(sizes.depth), draw(sizes.dense_channels), draw(st.integers(1, 3))
    q, out = draw(quantizations), draw(quantizations)
    weights = _weights(draw, (channels, depth), 0)
    weight_scales = _scales(draw, channels, q.scale, out, depth)
    b = ModelBuilder()
    x = b.input(draw(st.sampled_from(((rows, depth), (rows, 1, 1, depth)))), q)
    activation = draw(activations)
    y = b.fully_connected(x, weights, weight_scales, _bias(draw, channels), out, activation=activation)
    label = _label("FULLY_CONNECTED", b.shape(x), weights.shape, q, out, weight_scales, activation)
    return Case(b.build(y), (samples(draw, b.shape(x), q.zero_point),), label)


@st.composite
def pool_2d(draw: st.DrawFn, sizes: Sizes = SMALL) -> Case:
    """AVERAGE_POOL_2D or MAX_POOL_2D, sometimes over the whole plane."""
    (h, w), window, options = _window(draw, False, sizes)
    if draw(st.integers(0, 3)) == 0:
        window, options = (h, w), options | {"padding": "VALID"}
    op, q = draw(st.sampled_from(("AVERAGE_POOL_2D", "MAX_POOL_2D"))), draw(quantizations)
    b = ModelBuilder()
    x = b.input((draw(st.integers(1, 2)), h, w, draw(sizes.channels)), q)
    activation = draw(activations)
    y = b.pool_2d(x, op, window, activation=activation, **options)  # type: ignore[arg-type]
    return Case(b.build(y), (samples(draw, b.shape(x)),), _label(op, b.shape(x), window, options, q, activation))


@st.composite
def mean(draw: st.DrawFn, sizes: Sizes = SMALL) -> Case:
    """MEAN over any axes, some named twice or from the end, dimensions kept or not."""
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=len(shape)))
    if sizes is not SMALL and draw(st.booleans()):  # over a plane
        shape = (draw(st.integers(1, 2)), *draw(st.tuples(*[st.integers(1, 18)] * 2)), draw(sizes.channels))
        axes = [1, 2]
    q = draw(quantizations)
    out = q if draw(st.booleans()) else draw(quantizations)
    keep = draw(st.booleans())
    b = ModelBuilder()
    x = b.input(shape, q)
    y = b.mean(x, axes, out, keep_dims=keep)
    return Case(b.build(y), (samples(draw, shape),), _label("MEAN", shape, axes, keep, q, out))


def _sum_scale(draw: st.DrawFn, a: Q, b: Q) -> Q:
    """Draw an output quantisation of ADD; TFLM demands that its multiplier is below 1."""
    least = 2 * max(a.scale, b.scale) / 2**20
    return Q(float(np.float32(max(draw(scales), least * 1.01))), draw(zero_points))


@st.composite
def add(draw: st.DrawFn, sizes: Sizes = SMALL) -> Case:
    """ADD of two inputs, of an input and itself, or of an input and a constant; broadcast in some axes."""
    shape = draw(st.lists(st.integers(1, sizes.add), min_size=1, max_size=4 if sizes is SMALL else 3))
    qa, qb = draw(quantizations), draw(quantizations)
    other = draw(st.sampled_from(("input", "broadcast", "itself", "constant")))
    b = ModelBuilder()
    x = b.input(shape, qa)
    inputs = [samples(draw, tuple(shape))]
    if other == "itself":
        y, qb = x, qa
    elif other == "constant":
        values = np.random.default_rng(draw(seeds)).integers(-128, 128, shape, dtype=np.int8)
        y = b.tensor(shape, qb, data=values)
    else:
        kept = [size if other == "input" or draw(st.booleans()) else 1 for size in shape]
        kept = kept[draw(st.integers(0, len(kept) - 1)) :] if other == "broadcast" else kept
        y = b.input(kept, qb)
        inputs.append(samples(draw, tuple(kept)))
    out, activation = _sum_scale(draw, qa, qb), draw(activations)
    z = b.add(x, y, out, activation=activation)
    label = _label("ADD", shape, other, b.shape(y), qa, qb, out, activation)
    return Case(b.build(z), tuple(inputs), label)


@st.composite
def softmax(draw: st.DrawFn) -> Case:
    """SOFTMAX over short and long rows, flat and steep."""
    shape = (*draw(st.lists(st.integers(1, 4), max_size=2)), draw(st.integers(1, 70)))
    q = Q(float(np.float32(draw(st.floats(1e-3, 2.0)))), draw(zero_points))
    beta = draw(st.sampled_from((1.0, 1.0, 0.5, 3.0)))
    b = ModelBuilder()
    x = b.input(shape, q)
    return Case(b.build(b.softmax(x, beta=beta)), (samples(draw, shape),), _label("SOFTMAX", shape, q, beta))


@st.composite
def pad(draw: st.DrawFn) -> Case:
    """PAD of up to four dimensions."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    widths = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=len(shape), max_size=len(shape)))
    q = draw(quantizations)
    b = ModelBuilder()
    x = b.input(shape, q)
    return Case(b.build(b.pad(x, widths)), (samples(draw, shape),), _label("PAD", shape, widths, q))


@st.composite
def elementwise(draw: st.DrawFn) -> Case:
    """RELU, RELU6, LOGISTIC, QUANTIZE from int8, on inputs that hold each of the 256 values."""
    op = draw(st.sampled_from(("RELU", "RELU6", "LOGISTIC", "QUANTIZE")))
    q, out = draw(quantizations), draw(quantizations)
    b = ModelBuilder()
    x = b.input((1, 256), q)
    methods: dict[str, Callable[[], int]] = {
        "RELU": lambda: b.relu(x, out),
        "RELU6": lambda: b.relu(x, out, "RELU6"),
        "LOGISTIC": lambda: b.logistic(x),
        "QUANTIZE": lambda: b.quantize(x, out),
    }
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256)
    return Case(b.build(methods[op]()), (every,), _label(op, q, out))


@st.composite
def float_border(draw: st.DrawFn) -> Case:
    """QUANTIZE, an operator, DEQUANTIZE: float32 in and out."""
    shape = (1, draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 3)))
    q = draw(quantizations)
    b = ModelBuilder()
    x = b.input(shape)
    y = b.quantize(x, q)
    y = b.pool_2d(y, "AVERAGE_POOL_2D", (2, 2)) if draw(st.booleans()) else y
    rng = np.random.default_rng(draw(seeds))
    values = rng.normal(0, 60 * q.scale, (SAMPLES, *shape)).astype(np.float32)
    values[0], values[1] = -1e6 * q.scale, 1e6 * q.scale
    halves = np.float32(q.scale) * (rng.integers(-140, 140, shape) + np.float32(0.5))
    values[2] = halves  # where rounding decides
    return Case(b.build(b.dequantize(y)), (values,), _label("QUANTIZE...DEQUANTIZE", shape, q))


@st.composite
def chains(draw: st.DrawFn) -> Case:
    """Two to five layers as networks for microcontrollers have them, on usual scales: outputs overwrite inputs."""
    b, channels = ModelBuilder(), draw(LARGE.channels)
    shape = (1, draw(st.integers(3, LARGE.plane)), draw(st.integers(3, LARGE.plane)), channels)
    x = first = b.input(shape, draw(quantizations))
    steps = draw(st.lists(st.sampled_from(_CHAINED), min_size=2, max_size=5))
    for step in steps:
        x = _chain(draw, b, x, step)
    flat = int(np.prod(b.shape(x)))
    if flat <= 2000 and draw(st.booleans()):
        out, weights = draw(quantizations), _weights(draw, (draw(st.integers(1, 12)), flat), 0)
        x = b.fully_connected(x, weights, _usual(b.q(x), out, flat), _bias(draw, len(weights)), out)
    label = _label("chain", shape, steps, b.q(first), b.shape(x), b.q(x))
    return Case(b.build(x), (samples(draw, shape, b.q(first).zero_point),), label)


_CHAINED = ("pointwise", "pointwise", "depthwise", "depthwise", "conv 3x3", "residual", "pool")


def _usual(q: Q, out: Q, depth: int) -> list[float]:
    """Return a weight scale that maps a typical accumulator to the range of int8."""
    return [float(np.float32(out.scale * 100 / (127 * 127 * depth**0.5) / q.scale))]


def _chain(draw: st.DrawFn, b: ModelBuilder, x: int, step: str) -> int:
    channels, q = b.shape(x)[3], b.q(x)
    out, activation = Q(draw(scales), draw(st.one_of(st.just(-128), zero_points))), draw(activations)
    stride = (draw(st.integers(1, 2)),) * 2
    if step == "depthwise":
        out_c = channels * (draw(st.sampled_from((1, 1, 1, 2))) if channels < 64 else 1)
        weights = _weights(draw, (1, 3, 3, out_c), 3)
        bias = _bias(draw, out_c)
        return b.depthwise_conv_2d(x, weights, _usual(q, out, 9), bias, out, stride=stride, activation=activation)
    if step == "pool":
        op = draw(st.sampled_from(("AVERAGE_POOL_2D", "MAX_POOL_2D")))
        return b.pool_2d(x, op, (2, 2), stride=stride, activation=activation)
    window = 3 if step == "conv 3x3" else 1
    out_c = channels if step == "residual" else draw(LARGE.channels)
    weights = _weights(draw, (out_c, window, window, channels), 0)
    bias, stride = _bias(draw, out_c), stride if step == "conv 3x3" else (1, 1)
    y = b.conv_2d(x, weights, _usual(q, out, weights[0].size), bias, out, stride=stride, activation=activation)
    return b.add(y, x, _sum_scale(draw, out, q), activation=draw(activations)) if step == "residual" else y


@st.composite
def graphs(draw: st.DrawFn) -> Case:
    """A small network: two inputs, a residual branch, a reshape, two or three outputs."""
    h, w, channels = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    q1, q2, q3 = draw(quantizations), draw(quantizations), draw(quantizations)
    b = ModelBuilder()
    x = b.input((1, h, w, channels), q1, name="first")
    extra = b.input((1, 1, 1, channels), q2, name="second")
    weights = _weights(draw, (channels, 3, 3, channels), 0)
    y = b.conv_2d(x, weights, _scales(draw, channels, q1.scale, q3, 9 * channels), _bias(draw, channels), q3)
    y = b.relu(y, q3, draw(st.sampled_from(("RELU", "RELU6")))) if draw(st.booleans()) else y
    depthwise = _weights(draw, (1, 2, 2, channels), 3)
    y2 = b.depthwise_conv_2d(y, depthwise, _scales(draw, channels, q3.scale, q1, 4), _bias(draw, channels), q1)
    residual = b.add(y2, x if draw(st.booleans()) else y, _sum_scale(draw, q1, Q(max(q1.scale, q3.scale), 0)))
    shifted = b.add(residual, extra, _sum_scale(draw, b.q(residual), q2), activation=draw(activations))
    flat = b.reshape(shifted, (1, h * w * channels))
    weights = _weights(draw, (3, h * w * channels), 0)
    out = draw(quantizations)
    logits = b.fully_connected(flat, weights, _scales(draw, 3, b.q(flat).scale, out, h * w * channels), None, out)
    outputs = [b.softmax(logits)] if 1e-3 <= out.scale <= 2.0 else [logits]
    outputs += [logits] if draw(st.booleans()) and outputs != [logits] else []
    outputs += [b.mean(residual, (1, 2), draw(quantizations))] if draw(st.booleans()) else []
    outputs += [y] if draw(st.booleans()) else []
    inputs = (samples(draw, (1, h, w, channels)), samples(draw, (1, 1, 1, channels)))
    return Case(b.build(*outputs), inputs, _label("graph", h, w, channels, q1, q2, q3, out))


STRATEGIES: dict[str, st.SearchStrategy[Case]] = {
    "add": add(),
    "conv_2d": conv_2d(),
    "depthwise_conv_2d": depthwise_conv_2d(),
    "elementwise": elementwise(),
    "float_border": float_border(),
    "fully_connected": fully_connected(),
    "graphs": graphs(),
    "mean": mean(),
    "pad": pad(),
    "pool_2d": pool_2d(),
    "softmax": softmax(),
}
