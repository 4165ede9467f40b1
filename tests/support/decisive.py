"""Inputs that put accumulators right on the steps of a layer's output, where one unit decides a byte.

Random accumulators meet a step about once in a thousand. Here windows that do not overlap are each driven to a step of
some channel, or to the accumulator just below it, by changing input values greedily.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from harness.compiler.kernels import conv_2d, depthwise_conv_2d, fully_connected, mean, pool
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Staircase
from harness.compiler.passes.fuse_activations import fuse_activations
from harness.compiler.tflite import read_model
from tests.support.strategies import Case, seeds

SAMPLES = 6


@dataclass(frozen=True)
class Products:
    """A layer as products of rows of weights with rows of inputs.

    Attributes:
        matrix: (channels, K).
        bias: (channels,) with the input's zero point folded in.
        steps: of each channel, the accumulators at which its output becomes another.
        windows: (windows, K) places in the flattened input; -1 where a product meets padding.
        channels: of a window, the channels that see it with these places.
        zero_point: what padding holds.
    """

    matrix: np.ndarray
    bias: np.ndarray
    steps: Sequence[np.ndarray]
    windows: np.ndarray
    channels: Callable[[int], range]
    zero_point: int


@st.composite
def decided(draw: st.DrawFn, cases: st.SearchStrategy[Case]) -> Case:
    """A case with a few decisive inputs more."""
    case = draw(cases)
    [values] = case.inputs
    more = decisive(case.model, values[0].size, SAMPLES, draw(seeds)).reshape(SAMPLES, *values.shape[1:])
    return Case(case.model, (np.concatenate([values, more]),), case.label)


def decisive(model: bytes, size: int, count: int, seed: int) -> np.ndarray:
    """Return `count` inputs of a model of one layer, (count, size) int8.

    Args:
        model: content of a .tflite file; other than one layer that sums gives random inputs.
        size: elements of its input.
        count: of inputs.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    batch = rng.integers(-128, 128, (count, size), dtype=np.int8)
    products = _read(model)
    if products is not None:
        for values in batch:
            for window, places in enumerate(products.windows):
                channel = int(rng.choice(products.channels(window)))
                if products.steps[channel].size:
                    target = int(rng.choice(products.steps[channel])) - int(rng.integers(2))
                    _drive(products, values, places, channel, target, rng)
    return batch


def _drive(
    products: Products, values: np.ndarray, places: np.ndarray, channel: int, target: int, rng: np.random.Generator
) -> None:
    """Change the values at some places so that a channel's accumulator there is `target`, if that comes out."""
    inside = places >= 0
    weights, x = products.matrix[channel].astype(int), np.full(places.size, products.zero_point)
    x[inside] = values[places[inside]]
    left = target - int(products.bias[channel]) - int(weights @ x)
    order = rng.permutation(np.flatnonzero(inside & (weights != 0)))
    for k in order[np.argsort(-np.abs(weights[order]), kind="stable")]:
        if left == 0:
            break
        changed = int(np.clip(x[k] + round(left / weights[k]), -128, 127))
        left -= (changed - x[k]) * weights[k]
        x[k] = changed
    values[places[inside]] = x[inside]


def _read(model: bytes) -> Products | None:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(model)
        file.flush()
        graph = fuse_activations(read_model(Path(file.name)))
    node = Node(graph, graph.operators[0])
    reader = _READERS.get(node.operator.op)
    return reader(node) if reader and len(graph.operators) == 1 else None


def _steps(stairs: Staircase) -> list[np.ndarray]:
    """Return the steps of each channel that its accumulators can reach."""
    ends = zip(stairs.thresholds(), stairs.least, stairs.most, strict=True)
    return [steps[(steps > least) & (steps <= most)] for steps, least, most in ends]


def _conv_2d(node: Node) -> Products:
    c = conv_2d.read(node)
    places = _windows(c.place, c.in_c)
    windows = places.reshape(len(places), -1)
    return Products(c.matrix, c.bias, _steps(c.stairs()), windows, lambda _: range(c.out_c), c.input_zero_point)


def _depthwise(node: Node) -> Products:
    c = depthwise_conv_2d.read(node)
    windows = _windows(c.place, c.in_c).transpose(0, 2, 1).reshape(-1, c.weights.shape[0] * c.weights.shape[1])
    each = c.out_c // c.in_c
    matrix = c.weights.reshape(-1, c.out_c).T

    def channels(window: int) -> range:
        return range(window % c.in_c * each, (window % c.in_c + 1) * each)

    return Products(matrix, c.bias, _steps(c.stairs()), windows, channels, c.input_zero_point)


def _fully_connected(node: Node) -> Products:
    d = fully_connected.read(node)
    windows = np.arange(d.rows * d.matrix.shape[1]).reshape(d.rows, -1)
    return Products(d.matrix, d.bias, _steps(d.stairs()), windows, lambda _: range(len(d.matrix)), 0)


def _average(node: Node) -> Products:
    p = pool.read(node)
    windows = _windows({**p.place, "dilation_h": 1, "dilation_w": 1}, p.channels).transpose(0, 2, 1)
    windows = windows.reshape(-1, windows.shape[2])
    taps = windows.shape[1]
    middle = (2 * np.arange(-127, 128) - 1) * taps  # twice the sums halfway between two outputs
    steps = np.where(middle < 0, middle // 2 + 1, -(-middle // 2))
    inside = windows[(windows >= 0).all(axis=1)]
    return Products(np.ones((1, taps), int), np.zeros(1, int), [steps], inside, lambda _: range(1), 0)


def _mean(node: Node) -> Products:
    m = mean.read(node)
    windows = np.arange(prod(m.sizes)).reshape(m.sizes).transpose(0, 2, 4, 1, 3).reshape(-1, m.sizes[1] * m.sizes[3])
    taps = windows.shape[1]
    ones, ends = np.ones((1, taps), np.int8), np.array([-128, 127]) * taps - m.offset
    numbers = (np.array([value], dtype=np.int64) for value in (m.multiplier, -m.shift))
    stairs = Staircase(*numbers, m.zero_point, -128, 127, ends[:1], ends[1:]).without_tiny()
    steps = _steps(stairs) if stairs.regular else [np.zeros(0, int)]
    return Products(ones, np.array([-m.offset]), steps, windows, lambda _: range(1), 0)


_READERS: dict[str, Callable[[Node], Products]] = {
    "AVERAGE_POOL_2D": _average,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "MEAN": _mean,
}


def _windows(p: Mapping[str, int], channels: int) -> np.ndarray:
    """Return (windows, taps, channels): places in the input of windows that do not overlap."""
    y, x = (_axis(p, axis) for axis in "hw")
    rows, columns = y[:, None, :, None], x[None, :, None, :]
    pixel = rows * p["in_w"] + columns
    outside = (rows < 0) | (rows >= p["in_h"]) | (columns < 0) | (columns >= p["in_w"])
    batch = np.arange(p["batches"])[:, None, None] * p["in_h"] * p["in_w"]
    taps = y.shape[1] * x.shape[1]
    pixel = np.where(outside, -1, pixel).reshape(-1, taps)
    pixels = np.where(pixel < 0, -1, pixel + batch).reshape(-1, taps)
    return np.where(pixels[..., None] < 0, -1, pixels[..., None] * channels + np.arange(channels))


def _axis(p: Mapping[str, int], axis: str) -> np.ndarray:
    """Return (windows, taps) along one axis."""
    extent = (p[f"kernel_{axis}"] - 1) * p[f"dilation_{axis}"] + 1
    every = -(-extent // p[f"stride_{axis}"])
    starts = np.arange(0, p[f"out_{axis}"], every) * p[f"stride_{axis}"] - p[f"pad_{axis}"]
    return starts[:, None] + np.arange(p[f"kernel_{axis}"]) * p[f"dilation_{axis}"]
