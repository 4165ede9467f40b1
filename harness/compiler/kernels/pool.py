"""AVERAGE_POOL_2D and MAX_POOL_2D: batches x h x w x channels, input and output on one scale."""

from harness.compiler.kernels.node import Node, same_padding
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
    node.require(len(source.shape) == 4 and len(target.shape) == 4, "expected tensors of 4 dimensions")
    node.same_quantization()
    batches, in_h, in_w, channels = source.shape
    _, out_h, out_w, _ = target.shape
    node.expect_output_shape((batches, out_h, out_w, channels))
    (kernel_h, kernel_w), (stride_h, stride_w) = node.option("filter"), node.option("stride")
    pad_h = same_padding(node, in_h, out_h, kernel_h, stride_h, 1, node.option("padding"))
    pad_w = same_padding(node, in_w, out_w, kernel_w, stride_w, 1, node.option("padding"))
    low, high = node.clamp(node.option("activation"))
    return Layer(
        index=0,
        name=target.name,
        op=node.operator.op,
        kernel=kernel,
        shape={
            "batches": batches, "in_h": in_h, "in_w": in_w, "channels": channels, "out_h": out_h, "out_w": out_w,
            "kernel_h": kernel_h, "kernel_w": kernel_w, "stride_h": stride_h, "stride_w": stride_w,
            "pad_h": pad_h, "pad_w": pad_w, "output_min": low, "output_max": high,
        },
        inputs=(source.index,),
        outputs=(target.index,),
    )  # fmt: skip
