"""Operators that work channel by channel: which input channel each channel of their output comes from.

A channel is an index along the last axis. Everything else mixes channels: convolutions and fully connected layers,
through weights that say which they read, and operators like SOFTMAX, of which nothing is assumed.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.compiler.graph import Tensor
from harness.compiler.kernels.node import Node

Int64s = NDArray[np.int64]


def width(tensor: Tensor) -> int:
    """Return the number of channels."""
    return tensor.shape[-1] if tensor.shape else 1


def sources(node: Node) -> Mapping[int, Int64s] | None:
    """Return where the channels of an operator's output come from.

    Args:
        node: an operator that can be lowered.

    Returns:
        Each computed input, by its tensor's index, with (output channels,) channels of it; None for an operator that
        does not work channel by channel.
    """
    if node.operator.op not in _CHANNELS:
        return None
    computed = [t for t in (node.optional(i) for i in range(len(node.operator.inputs))) if t and t.data is None]
    if any(tensor.dtype != "int8" for tensor in (*computed, node.output)):
        return None
    channels = _CHANNELS[node.operator.op](node)
    return None if channels is None else {tensor.index: channels for tensor in computed}


def columns(node: Node) -> Int64s | None:
    """Return which input channel each column of a layer's weights belongs to.

    Args:
        node: a CONV_2D, or a FULLY_CONNECTED, which may read several positions in a row.

    Returns:
        (depth,); None where a row of the weights is no whole number of positions.
    """
    depth, channels = node.constant(1, "int8").shape[-1], width(node.input())
    return np.arange(depth) % channels if depth % channels == 0 else None


def _same(node: Node) -> Int64s:
    return np.arange(width(node.output))


def _repeated(node: Node) -> Int64s:
    return np.arange(width(node.output)) // (width(node.output) // width(node.input()))


def _tiled(node: Node) -> Int64s | None:
    channels, source = width(node.output), width(node.input())
    return np.arange(channels) % source if channels % source == 0 else None


def _of_mean(node: Node) -> Int64s | None:
    last = len(node.input().shape) - 1
    axes = {int(axis) % (last + 1) for axis in np.ravel(node.constant(1, "int32"))}
    return None if last in axes else _same(node)


def _of_pad(node: Node) -> Int64s | None:
    paddings = node.input(1).data
    return _same(node) if paddings is not None and paddings.size and not paddings[-1].any() else None


def _of_add(node: Node) -> Int64s | None:
    operands = (node.input(0), node.input(1))
    alike = all(width(t) == width(node.output) or (t.data is not None and width(t) == 1) for t in operands)
    return _same(node) if alike else None


_CHANNELS: dict[str, Callable[[Node], Int64s | None]] = {
    "ADD": _of_add,
    "AVERAGE_POOL_2D": _same,
    "DEPTHWISE_CONV_2D": _repeated,
    "LOGISTIC": _same,
    "MAX_POOL_2D": _same,
    "MEAN": _of_mean,
    "PAD": _of_pad,
    "QUANTIZE": _same,
    "RELU": _same,
    "RELU6": _same,
    "RESHAPE": _tiled,
}
