"""Takes dead channels out of a graph, and rounds channel counts up to what a core's kernels like.

A pruned network is full of channels that are constant or that nobody reads. They leave the tensors, the weights and
the biases, and what a constant added to an accumulator moves into the bias, modulo 2^32, so that every byte that is
left stays the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compiler.graph import Graph, Operator, Quantization, Tensor
from harness.compiler.kernels.node import Node
from harness.compiler.passes.channels import PADDING, layouts, stored_channels, structure
from harness.compiler.passes.channelwise import Int64s, width
from harness.compiler.passes.ranges import CHANNEL_AXIS, Range, accumulators, bias_values, channel_ranges

MAX_ELEMENTS, MAX_CHANNELS = 1 << 22, 1 << 20
"""Elements of one tensor, channels of all: a graph with more fits no microcontroller and is left alone."""
Layout = tuple[int, ...]


def rewrite_channels(graph: Graph, multiple: int = 1) -> Graph:
    """Return the graph without dead channels; whatever it still computes keeps its value.

    Args:
        graph: one whose operators are reshapes or can be lowered.
        multiple: tensors get a multiple of this many channels where they can: channels of zero weights are added, or
            dead ones stay. 1 only removes.

    Returns:
        The tensors keep their indices, `Tensor.channels` says what became of them; changed constants stand behind
        them. The graph's inputs and outputs are as they were.
    """
    if _too_large(graph):
        return graph
    ranges = channel_ranges(graph)
    parts = structure(graph, ranges)
    found = layouts(parts, stored_channels(parts, multiple), multiple)
    changed = {index: layout for index, layout in found.items() if layout != tuple(range(width(graph.tensors[index])))}
    rewriter = _Rewriter(graph, ranges, changed)
    operators = tuple(rewriter.rewrite(operator) for operator in graph.operators)
    return replace(graph, tensors=rewriter.tensors(), operators=operators)


def _too_large(graph: Graph) -> bool:
    computed = [graph.tensors[i] for i in (*graph.inputs, *(i for o in graph.operators for i in o.outputs))]
    return max(t.elements for t in computed) > MAX_ELEMENTS or sum(map(width, computed)) > MAX_CHANNELS


@dataclass
class _Rewriter:
    """Rewrites one operator after the other and collects the constants that they get."""

    graph: Graph
    ranges: Mapping[int, Range]
    changed: Mapping[int, Layout]
    constants: list[Tensor] = field(default_factory=list)

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all tensors of the new graph."""
        old = self.graph.tensors
        kept = (self._reshaped(tensor) if tensor.index in self.changed else tensor for tensor in old)
        return (*kept, *self.constants)

    def rewrite(self, operator: Operator) -> Operator:
        """Return the operator with the constants that fit its new tensors."""
        used = {*operator.inputs, *operator.outputs}
        if not used & self.changed.keys():
            return operator
        node = Node(self.graph, operator)
        if operator.op in CHANNEL_AXIS:
            return self._weighted(node)
        return replace(operator, inputs=tuple(self._operand(node, index) for index in operator.inputs))

    def _layout(self, tensor: Tensor) -> Layout:
        return self.changed.get(tensor.index, tuple(range(width(tensor))))

    def _reshaped(self, tensor: Tensor) -> Tensor:
        layout = self.changed[tensor.index]
        return replace(tensor, shape=(*tensor.shape[:-1], len(layout)), channels=layout)

    def _constant(self, like: Tensor, values: NDArray[Any], quantization: Quantization | None) -> int:
        index = len(self.graph.tensors) + len(self.constants)
        tensor = replace(like, index=index, shape=values.shape, data=values, quantization=quantization)
        self.constants.append(tensor)
        return index

    def _operand(self, node: Node, index: int | None) -> int | None:
        """Return a constant operand with the output's channels; one of a single channel stays: it is repeated."""
        tensor = None if index is None else self.graph.tensors[index]
        if tensor is None or tensor.data is None or tensor.dtype != "int8" or width(tensor) == 1:
            return index
        return self._constant(tensor, select(tensor.data, self._layout(node.output), axis=-1), tensor.quantization)

    def _weighted(self, node: Node) -> Operator:
        source, target, weights = node.input(), node.output, node.input(1)
        layout, axis = self._layout(target), CHANNEL_AXIS[node.operator.op]
        values, bias = node.constant(1, "int8"), bias_values(node)
        if node.operator.op != "DEPTHWISE_CONV_2D":
            values, bias = fold(node, self._layout(source), self.ranges[source.index], self.ranges[target.index])
        values = select(values, layout, axis)
        scales = _quantization(weights.quantization, layout)
        like = replace(weights, name=f"{target.name[:60]} bias", dtype="int32")
        return replace(
            node.operator,
            inputs=(
                source.index,
                self._constant(weights, values, scales),
                self._constant(like, _wrapped(select(bias, layout, 0)), None),
            ),
        )


def fold(node: Node, layout: Layout, source: Range, target: Range) -> tuple[NDArray[np.int8], Int64s]:
    """Return weights and bias of a product for the inputs that are left.

    Args:
        node: CONV_2D or FULLY_CONNECTED.
        layout: of its input.
        source: the range of its input; channels that left are constant, or their weights are zero.
        target: the range of its output; constant channels get zero weights, and a bias that gives their value.

    Returns:
        The weights, all output channels still there, and the bias, not reduced to 32 bits.
    """
    weights, channels, zero_point = node.constant(1, "int8"), width(node.input()), node.int8(node.input()).zero_point
    matrix = weights.reshape(len(weights), -1, channels)
    gone = sorted(set(range(channels)) - set(layout))
    added = matrix[:, :, gone].sum(axis=1, dtype=np.int64) @ (source.low[gone] - zero_point)
    bias = bias_values(node) + added
    sums = accumulators(node, source)
    if sums is not None:
        bias = np.where(target.constant, sums.low, bias)
        matrix = np.where(target.constant[:, None, None], np.int8(0), matrix)
    depth = weights.shape[-1] // channels * len(layout)
    return select(matrix, layout, 2).reshape(*weights.shape[:-1], depth), bias


def select(values: NDArray[Any], layout: Sequence[int], axis: int) -> NDArray[Any]:
    """Return the values of a layout's channels along an axis, 0 for padding."""
    chosen = np.take(values, np.maximum(layout, 0), axis)
    np.moveaxis(chosen, axis, 0)[np.equal(layout, PADDING)] = 0
    return chosen


def _quantization(q: Quantization | None, layout: Layout) -> Quantization | None:
    """Return the weights' scales for a layout; padding takes the first: it must not be what makes a shift differ."""
    if q is None or not q.per_channel:
        return q
    first = next(channel for channel in layout if channel != PADDING)
    chosen = np.where(np.equal(layout, PADDING), first, layout)
    return replace(q, scales=q.scales[chosen], zero_points=q.zero_points[chosen])


def _wrapped(values: Int64s) -> NDArray[np.int32]:
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
