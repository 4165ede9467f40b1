"""Removes RESHAPE: the bytes stay where they are, so its output is another name for its input's memory."""

from collections.abc import Mapping
from dataclasses import replace

from harness.compiler.graph import Graph, Operator
from harness.compiler.kernels.node import Node


def drop_reshapes(graph: Graph) -> tuple[Graph, Mapping[int, int]]:
    """Return the graph without reshapes, and for each dropped output the tensor whose memory it names.

    Raises:
        UserError: a reshape changes the number of elements or the type.
    """
    aliases: dict[int, int] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        if operator.op != "RESHAPE":
            kept.append(operator)
            continue
        node = Node(graph, operator)
        node.counts((1, 2))
        source = node.input()
        node.require(source.data is None, "reshapes a constant; expected computed values")
        node.require(
            source.elements == node.output.elements and source.dtype == node.output.dtype,
            f"reshapes {list(source.shape)} {source.dtype} to {list(node.output.shape)} {node.output.dtype}",
        )
        aliases[node.output.index] = aliases.get(source.index, source.index)
    return replace(graph, operators=tuple(kept)), aliases
