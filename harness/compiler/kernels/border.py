"""QUANTIZE and DEQUANTIZE at the border of a graph, from and to float32."""

from harness.compiler.kernels import lookup
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer


def lower_quantize(node: Node) -> Layer:
    """Lower QUANTIZE: from float32 to kernels/quantize.h, from int8 to a table."""
    node.counts((1,))
    source = node.input()
    if source.dtype == "int8":
        return lookup.lower_requantize(node)
    node.require(
        source.dtype == "float32" and source.index in node.graph.inputs,
        f"quantises {source.dtype} inside the graph; expected float32 from an input of the graph, or int8",
    )
    return _lower(node, "quantize", node.int8(node.output).scale, node.int8(node.output).zero_point)


def lower_dequantize(node: Node) -> Layer:
    """Lower DEQUANTIZE: int8 to a float32 output of the graph."""
    node.counts((1,))
    q = node.int8(node.activation())
    target = node.output
    node.require(
        target.dtype == "float32" and target.index in node.graph.outputs and not node.graph.readers(target.index),
        f"gives {target.dtype} inside the graph; expected a float32 output of the graph",
    )
    return _lower(node, "dequantize", q.scale, q.zero_point)


def _lower(node: Node, kernel: str, scale: float, zero_point: int) -> Layer:
    node.same_shape()
    return Layer(
        index=0,
        name=node.output.name,
        op=node.operator.op,
        kernel=kernel,
        shape={"size": node.input().elements, "scale": scale, "zero_point": zero_point},
        inputs=(node.input().index,),
        outputs=(node.output.index,),
    )
