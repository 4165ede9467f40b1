"""Which values each channel of each tensor can take, whatever the model is fed: intervals, from its inputs onwards.

Every operator here is monotone or a table, so the least and the greatest result come from the least and the greatest
operands; where a 32-bit sum might wrap, or nothing is known of an operator, a channel may take any value. A channel
whose least value is its greatest is constant: its weights are zero, or its multiplier, or a ReLU never opens.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compiler.fixedpoint import INT32_MAX, multiply_by_quantized_multiplier
from harness.compiler.graph import Graph, Tensor
from harness.compiler.kernels import lower
from harness.compiler.kernels.add import LEFT_SHIFT
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.weights import channel_multipliers, weight_quantization
from harness.compiler.kernels.window import window
from harness.compiler.passes.channelwise import Int64s, columns, sources, width

LARGEST_WINDOW = 1024
"""Taps of a window; of layers with larger ones nothing is said, for the sake of the host's memory."""
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Operators with weights, and which axis of the weights the output channels are."""


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of each channel, over all positions and all inputs; (channels,) each."""

    low: Int64s
    high: Int64s

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Tell of each channel whether it always has one value."""
        constant: NDArray[np.bool_] = self.low == self.high
        return constant

    def of(self, channels: Int64s) -> "Range":
        """Return the ranges of some channels, in the order and shape of `channels`."""
        return Range(self.low[channels], self.high[channels])

    def clipped(self, low: int, high: int) -> "Range":
        """Return the range after a clamp."""
        return Range(np.clip(self.low, low, high), np.clip(self.high, low, high))


def channel_ranges(graph: Graph) -> Mapping[int, Range]:
    """Return the range of every computed tensor, by its index.

    Args:
        graph: one whose operators can all be lowered.
    """
    known = {index: _anything(graph.tensors[index]) for index in graph.inputs}
    for operator in graph.operators:
        found = _of(Node(graph, operator), known)
        for index in operator.outputs:
            known[index] = _anything(graph.tensors[index]) if found is None else found
    return known


def accumulators(node: Node, source: Range) -> Range | None:
    """Return the least and the greatest accumulators of a layer with weights, bias included.

    Args:
        node: CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.
        source: the range of its input.

    Returns:
        For each output channel, not reduced to 32 bits; None where the layer is not understood. A tap that falls into
        the padding adds nothing; every set of taps that some window has inside the input is tried.
    """
    inside, taps = taps_inside(node), _taps(node, source)
    if inside is None or taps is None:
        return None
    low, high = (np.einsum("rh,ohw,cw->orc", inside[0], each, inside[1]) for each in taps)
    bias = bias_values(node)
    return Range(low.min(axis=(1, 2)) + bias, high.max(axis=(1, 2)) + bias)


def bias_values(node: Node) -> Int64s:
    """Return the bias of a layer with weights, zeros where it has none; (output channels,)."""
    bias = node.optional(2)
    if bias is None or bias.data is None:
        return np.zeros(node.constant(1, "int8").shape[CHANNEL_AXIS[node.operator.op]], dtype=np.int64)
    return bias.data.astype(np.int64)


def taps_inside(node: Node) -> tuple[Int64s, Int64s] | None:
    """Return which taps of a window can lie inside the input together, as 0 and 1.

    Returns:
        (patterns, kernel_h) and (patterns, kernel_w), each of one with each of the other; None for a large window.
    """
    if node.operator.op == "FULLY_CONNECTED":
        return np.ones((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
    _, kernel_h, kernel_w, _ = node.constant(1, "int8").shape
    if kernel_h * kernel_w > LARGEST_WINDOW:
        return None
    place = window(node, (kernel_h, kernel_w), width(node.output))
    return _patterns(place, "h"), _patterns(place, "w")


def _patterns(place: Mapping[str, int], axis: str) -> Int64s:
    kernel, dilation = place[f"kernel_{axis}"], place[f"dilation_{axis}"]
    first = np.arange(place[f"out_{axis}"]) * place[f"stride_{axis}"] - place[f"pad_{axis}"]
    begin, end = (np.clip(-((first - edge) // dilation), 0, kernel) for edge in (0, place[f"in_{axis}"]))
    begin, end = np.unique(np.stack([begin, end]), axis=1)[..., None]
    inside: NDArray[np.bool_] = (np.arange(kernel) >= begin) & (np.arange(kernel) < end)
    return inside.astype(np.int64)


def _taps(node: Node, source: Range) -> tuple[Int64s, Int64s] | None:
    """Return what each tap adds to an accumulator, at least and at most: (output channels, kernel_h, kernel_w) each."""
    depthwise = node.operator.op == "DEPTHWISE_CONV_2D"
    channels = (sources(node) or {}).get(node.input().index) if depthwise else columns(node)
    if channels is None:
        return None
    weights = node.constant(1, "int8").astype(np.int64)
    if depthwise:
        weights, channels = weights.transpose(3, 1, 2, 0), channels[:, None, None, None]
    elif weights.ndim == 2:
        weights = weights[:, None, None, :]
    inputs, zero_point = source.of(channels), node.int8(node.input()).zero_point
    ends = weights * (inputs.low - zero_point), weights * (inputs.high - zero_point)
    return np.minimum(*ends).sum(axis=3), np.maximum(*ends).sum(axis=3)


def _of(node: Node, known: Mapping[int, Range]) -> Range | None:
    """Return the range of an operator's output, None where nothing is known."""
    op = node.operator.op
    if op in CHANNEL_AXIS:
        return _of_weighted(node, known[node.input().index])
    channels = sources(node)
    if channels is None:
        return None
    tensors = [node.graph.tensors[index] for index in node.operator.inputs if index is not None]
    operands = [
        known[tensor.index].of(channels[tensor.index]) if tensor.data is None else _of_constant(tensor, node.output)
        for tensor in tensors
        if tensor.dtype == "int8"
    ]
    return _RULES[op](node, operands)


def _anything(tensor: Tensor) -> Range:
    return Range(np.full(width(tensor), -128), np.full(width(tensor), 127))


def _of_constant(tensor: Tensor, output: Tensor) -> Range:
    rows = np.reshape(np.asarray(tensor.data, dtype=np.int64), (-1, width(tensor)))
    low, high = (np.broadcast_to(ends, width(output)) for ends in (rows.min(axis=0), rows.max(axis=0)))
    return Range(low, high)


def _of_weighted(node: Node, source: Range) -> Range | None:
    sums = accumulators(node, source)
    if sums is None:
        return None
    axis = CHANNEL_AXIS[node.operator.op]
    pairs = channel_multipliers(node, weight_quantization(node, node.input(1), len(sums.low), axis))
    return _requantized(sums, pairs, node.int8(node.output).zero_point, node.clamp(node.option("activation")))


def _requantized(sums: Range, pairs: Sequence[tuple[int, int]], zero_point: int, clamp: tuple[int, int]) -> Range:
    """Return the range of the outputs; `pairs` are multiplier and shift, one or one a channel."""
    pairs = [*pairs] * len(sums.low) if len(pairs) == 1 else pairs
    ends = [
        _results((low, high), *pair, zero_point) or (-128, 127)
        for low, high, pair in zip(sums.low.tolist(), sums.high.tolist(), pairs, strict=True)
    ]
    return Range(*np.array(ends, dtype=np.int64).T).clipped(*clamp)


def _results(sums: Iterable[int], multiplier: int, shift: int, zero_point: int) -> tuple[int, int] | None:
    """Return the results for the ends of an interval; None where a step on the way might leave 32 bits."""
    if any(abs(x) << max(0, shift) > INT32_MAX for x in sums):
        return None
    low, high = (multiply_by_quantized_multiplier(x, multiplier, shift) + zero_point for x in sums)
    return (low, high) if max(abs(low), abs(high)) <= INT32_MAX else None


def _of_add(node: Node, operands: Sequence[Range]) -> Range:
    shape: Mapping[str, Any] = lower(node).shape

    def scaled(name: str, value: int) -> int:
        offset = (value - shape[f"{name}_zero_point"]) << LEFT_SHIFT
        return multiply_by_quantized_multiplier(offset, shape[f"{name}_multiplier"], shape[f"{name}_shift"])

    a, b = operands
    low, high = (
        np.array([scaled("a", x) + scaled("b", y) for x, y in zip(ends_a.tolist(), ends_b.tolist(), strict=True)])
        for ends_a, ends_b in ((a.low, b.low), (a.high, b.high))
    )
    pair = (shape["output_multiplier"], shape["output_shift"])
    return _requantized(
        Range(low, high), [pair], shape["output_zero_point"], (shape["output_min"], shape["output_max"])
    )


def _of_mean(node: Node, operands: Sequence[Range]) -> Range:
    shape: Mapping[str, Any] = lower(node).shape
    count = shape["sum0"] * shape["sum1"]
    sums = Range(operands[0].low * count - shape["offset"], operands[0].high * count - shape["offset"])
    return _requantized(sums, [(shape["multiplier"], shape["shift"])], shape["output_zero_point"], (-128, 127))


def _of_table(node: Node, operands: Sequence[Range]) -> Range:
    table = lower(node).constants[0].values.astype(np.int64)
    ends = zip((operands[0].low + 128).tolist(), (operands[0].high + 129).tolist(), strict=True)
    reached = [table[begin:end] for begin, end in ends]
    return Range(np.array([values.min() for values in reached]), np.array([values.max() for values in reached]))


def _of_pool(node: Node, operands: Sequence[Range]) -> Range:
    return operands[0].clipped(*node.clamp(node.option("activation")))


def _of_pad(node: Node, operands: Sequence[Range]) -> Range:
    if not np.any(node.input(1).data):
        return operands[0]
    value = node.int8(node.output).zero_point
    return Range(np.minimum(operands[0].low, value), np.maximum(operands[0].high, value))


def _of_reshape(node: Node, operands: Sequence[Range]) -> Range:
    return operands[0]


_RULES: dict[str, Callable[[Node, Sequence[Range]], Range]] = {
    "ADD": _of_add,
    "AVERAGE_POOL_2D": _of_pool,
    "LOGISTIC": _of_table,
    "MAX_POOL_2D": _of_pool,
    "MEAN": _of_mean,
    "PAD": _of_pad,
    "QUANTIZE": _of_table,
    "RELU": _of_table,
    "RELU6": _of_table,
    "RESHAPE": _of_reshape,
}
