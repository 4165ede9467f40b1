"""DEPTHWISE_CONV_2D: input batches x h x w x in_c, weights 1 x kernel_h x kernel_w x in_c * depth_multiplier."""

import numpy as np

from harness.compiler.kernels.node import Node, same_padding
from harness.compiler.kernels.weights import (
    channel_multipliers,
    folded_bias,
    requantize_constants,
    requantize_shape,
    weight_quantization,
)
from harness.compiler.layer import Layer, int8_constant, int32_constant


def lower(node: Node) -> Layer:
    """Lower to kernels/depthwise_conv_2d.h."""
    node.counts((2, 3))
    source, target = node.activation(), node.output
    weights = node.constant(1, "int8")
    node.require(
        len(source.shape) == 4 and weights.ndim == 4 and len(target.shape) == 4, "expected tensors of 4 dimensions"
    )
    batches, in_h, in_w, in_c = source.shape
    one, kernel_h, kernel_w, out_c = weights.shape
    node.require(
        one == 1 and out_c % in_c == 0,
        f"the weights have shape {list(weights.shape)}; expected [1, h, w, a multiple of {in_c}]",
    )
    # LiteRT ignores this option, TFLM trusts it: where it contradicts the shapes, TFLM leaves its buffers.
    node.require(
        node.option("depth_multiplier") * in_c == out_c,
        f"the depth multiplier is {node.option('depth_multiplier')}; expected {out_c // in_c}, "
        f"{in_c} channels in and {out_c} out",
    )
    _, out_h, out_w, _ = target.shape
    node.expect_output_shape((batches, out_h, out_w, out_c))
    padding, (stride_h, stride_w), (dilation_h, dilation_w) = (
        node.option(n) for n in ("padding", "stride", "dilation")
    )
    pad_h = same_padding(node, in_h, out_h, kernel_h, stride_h, dilation_h, padding)
    pad_w = same_padding(node, in_w, out_w, kernel_w, stride_w, dilation_w, padding)
    q = weight_quantization(node, node.input(1), out_c, axis=3)
    input_zero_point = node.int8(source).zero_point
    sums = weights.sum(axis=(0, 1, 2), dtype=np.int64)
    pairs = channel_multipliers(node, q)
    return Layer(
        index=0,
        name=target.name,
        op="DEPTHWISE_CONV_2D",
        kernel="depthwise_conv_2d",
        shape={
            "batches": batches, "in_h": in_h, "in_w": in_w, "in_c": in_c,
            "out_h": out_h, "out_w": out_w, "out_c": out_c,
            "depth_multiplier": out_c // in_c,
            "kernel_h": kernel_h, "kernel_w": kernel_w, "stride_h": stride_h, "stride_w": stride_w,
            "dilation_h": dilation_h, "dilation_w": dilation_w, "pad_h": pad_h, "pad_w": pad_w,

            "input_zero_point": input_zero_point, "output": requantize_shape(node, pairs),
        },
        inputs=(source.index,),
        outputs=(target.index,),
        constants=(
            int8_constant("weights", weights.ravel()),
            int32_constant("bias", folded_bias(node, 2, sums, input_zero_point)),
            *requantize_constants(pairs),
        ),
        macs=batches * out_h * out_w * weights.size,
    )  # fmt: skip
