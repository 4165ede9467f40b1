"""What every graph must satisfy before the passes see it, whatever its operators are."""

import math

from harness.compiler.graph import Graph, Operator, Tensor
from harness.errors import UserError

# Far above any microcontroller, far below what could hurt the host: 64 Mi elements in one tensor.
MAX_ELEMENTS = 1 << 26
ACTIVATION_TYPES = ("int8", "float32")


def describe(graph: Graph, operator: Operator) -> str:
    """Name a layer for a message: its number, its operator, and the tensor it writes."""
    name = graph.tensors[operator.outputs[0]].name if operator.outputs else ""
    return f"{graph.stem}: layer {operator.index} ({operator.op}, {name[:60]!r})"


def validate(graph: Graph) -> None:
    """Check indices, order, shapes and quantisation.

    Raises:
        UserError: names the layer or tensor, what was expected and what came.
    """
    if not graph.operators or not graph.inputs or not graph.outputs:
        raise UserError(
            f"{graph.stem}: expected a graph with inputs, outputs and at least one operator, got an empty one"
        )
    for tensor in graph.tensors:
        _check_shape(graph, tensor)
    _check_order(graph)
    for index in {*graph.inputs, *graph.outputs}:
        _check_border(graph, graph.tensors[index])
    if len(set(graph.inputs)) < len(graph.inputs) or len(set(graph.outputs)) < len(graph.outputs):
        raise UserError(
            f"{graph.stem}: damaged .tflite file: a tensor is listed twice among the graph's inputs or outputs"
        )


def _check_shape(graph: Graph, tensor: Tensor) -> None:
    if any(d < 1 for d in tensor.shape) or math.prod(tensor.shape) > MAX_ELEMENTS:
        raise UserError(
            f"{graph.stem}: tensor {tensor.index} ({tensor.name[:60]!r}) has the shape {list(tensor.shape)}; expected "
            f"every dimension known, at least 1, and at most {MAX_ELEMENTS} elements: convert with a fixed batch of 1"
        )


def _check_order(graph: Graph) -> None:
    count = len(graph.tensors)
    _check_indices(graph, graph.inputs, "graph inputs")
    _check_indices(graph, graph.outputs, "graph outputs")
    ready = set(graph.inputs) | {tensor.index for tensor in graph.tensors if tensor.data is not None}
    for operator in graph.operators:
        used = [index for index in operator.inputs if index is not None]
        if not operator.outputs or any(not 0 <= index < count for index in (*used, *operator.outputs)):
            raise UserError(
                f"{graph.stem}: damaged .tflite file: operator {operator.index} names a tensor that is not there"
            )
        for index in used:
            if index not in ready:
                raise UserError(
                    f"{describe(graph, operator)}: reads tensor {index} ({graph.tensors[index].name[:60]!r}), which "
                    "nothing has written: state and control flow are not supported"
                )
        for index in operator.outputs:
            if index in ready:
                raise UserError(f"{describe(graph, operator)}: writes tensor {index}, which already has a value")
            ready.add(index)
    for index in graph.outputs:
        if index not in ready:
            raise UserError(f"{graph.stem}: damaged .tflite file: output {index} is never written")


def _check_indices(graph: Graph, indices: tuple[int, ...], what: str) -> None:
    if any(not 0 <= index < len(graph.tensors) for index in indices):
        raise UserError(f"{graph.stem}: damaged .tflite file: the {what} name a tensor that is not there")


def _check_border(graph: Graph, tensor: Tensor) -> None:
    if tensor.dtype not in ACTIVATION_TYPES:
        raise UserError(
            f"{graph.stem}: input or output {tensor.name[:60]!r} has type {tensor.dtype}; expected int8 (or float32 "
            "with QUANTIZE and DEQUANTIZE at the border): convert with full-integer quantisation"
        )
    if tensor.data is not None:
        raise UserError(f"{graph.stem}: input or output {tensor.name[:60]!r} is a constant; expected computed values")
