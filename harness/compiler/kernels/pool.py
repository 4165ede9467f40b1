"""AVERAGE_POOL_2D and MAX_POOL_2D: batches x h x w x channels, input and output on one scale."""

from harness.compiler.kernels.node import Node
from harness.compiler.kernels.window import window
from harness.compiler.layer import Layer


def lower_average(node: Node) -> Layer:
    """Lower to kernels/average_pool_2d.h."""
    return _lower(node, "average_pool_2d")


def lower_max(node: Node) -> Layer:
    """Lower to kernels/max_pool_2d.h."""
    return _lower(node, "max_pool_2d")


def _lower(node: Node, kernel: str) -> Layer:
    node.counts((1,))
    source, target = node.activation(), node.output
    node.same_quantization()
    node.require(len(source.shape) == 4, "expected a tensor of 4 dimensions")
    channels = source.shape[3]
    place = window(node, node.option("filter"), channels)
    del place["dilation_h"], place["dilation_w"]  # a pool has none
    low, high = node.clamp(node.option("activation"))
    return Layer(
        index=0,
        name=target.name,
        op=node.operator.op,
        kernel=kernel,
        shape={**place, "channels": channels, "output_min": low, "output_max": high},
        inputs=(source.index,),
        outputs=(target.index,),
    )
