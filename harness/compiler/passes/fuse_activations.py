"""Turns a RELU or RELU6 behind a layer that clamps anyway into that layer's clamp.

Exact where both tensors have one scale and zero point: RELU's rescaling is then the identity, and clamping to the
whole range of int8 first changes nothing.
"""

from dataclasses import replace

from harness.compiler.graph import Graph, Operator

CLAMPING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D")
FUSABLE = ("RELU", "RELU6")


def fuse_activations(graph: Graph) -> Graph:
    """Return the graph without the activations that could be fused."""
    fused: dict[int, Operator] = {}  # operator index -> the activation it takes over
    for operator in graph.operators:
        producer = _producer(graph, operator)
        if producer is not None and _fits(graph, producer, operator):
            fused[producer.index] = operator
    gone = {operator.index for operator in fused.values()}
    kept = [operator for operator in graph.operators if operator.index not in gone]
    return replace(graph, operators=tuple(_take_over(operator, fused.get(operator.index)) for operator in kept))


def _producer(graph: Graph, operator: Operator) -> Operator | None:
    """Return what writes the only input of a fusable activation; a damaged file may give it none, or several."""
    if operator.op not in FUSABLE or len(operator.inputs) != 1 or operator.inputs[0] is None:
        return None
    return graph.writer(operator.inputs[0])


def _fits(graph: Graph, producer: Operator, activation: Operator) -> bool:
    source, target = graph.tensors[producer.outputs[0]], graph.tensors[activation.outputs[0]]
    return (
        producer.op in CLAMPING
        and producer.options.get("activation") == "NONE"
        and len(graph.readers(source.index)) == 1
        and source.index not in graph.outputs
        and source.shape == target.shape
        and source.dtype == target.dtype == "int8"
        and source.quantization is not None
        and source.quantization.same_as(target.quantization)
    )


def _take_over(operator: Operator, activation: Operator | None) -> Operator:
    if activation is None:
        return operator
    return replace(operator, outputs=activation.outputs, options={**operator.options, "activation": activation.op})
