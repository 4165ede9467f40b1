"""DEPTHWISE_CONV_2D: input batches x h x w x in_c, weights 1 x kernel_h x kernel_w x in_c * depth_multiplier."""

import numpy as np

from harness.compiler.kernels.node import Node
from harness.compiler.kernels.weights import (
    channel_multipliers,
    folded_bias,
    requantize_constants,
    requantize_shape,
    weight_quantization,
)
from harness.compiler.kernels.window import window
from harness.compiler.layer import Layer, int8_constant, int32_constant


def lower(node: Node) -> Layer:
    """Lower to kernels/depthwise_conv_2d.h."""
    node.counts((2, 3))
    source, target = node.activation(), node.output
    weights = node.constant(1, "int8")
    node.require(
        weights.ndim == len(source.shape) == 4, f"the weights have shape {list(weights.shape)}; expected 4 dimensions"
    )
    in_c = source.shape[3]
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
    place = window(node, (kernel_h, kernel_w), out_c)
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
            **place, "in_c": in_c, "out_c": out_c, "depth_multiplier": out_c // in_c,
            "input_zero_point": input_zero_point, "output": requantize_shape(node, pairs),
        },
        inputs=(source.index,),
        outputs=(target.index,),
        constants=(
            int8_constant("weights", weights.ravel()),
            int32_constant("bias", folded_bias(node, 2, sums, input_zero_point)),
            *requantize_constants(pairs),
        ),
        macs=target.elements // out_c * weights.size,
    )  # fmt: skip
