"""CONV_2D: input batches x h x w x in_c, weights out_c x kernel_h x kernel_w x in_c."""

import numpy as np

from harness.compiler.kernels.node import Node
from harness.compiler.kernels.weights import (
    channel_multipliers,
    folded_bias,
    interleave,
    requantize_constants,
    requantize_shape,
    weight_quantization,
)
from harness.compiler.kernels.window import window
from harness.compiler.layer import Layer, int8_constant, int32_constant


def lower(node: Node) -> Layer:
    """Lower to kernels/conv_2d.h."""
    node.counts((2, 3))
    source, target = node.activation(), node.output
    weights = node.constant(1, "int8")
    node.require(
        weights.ndim == len(source.shape) == 4, f"the weights have shape {list(weights.shape)}; expected 4 dimensions"
    )
    in_c = source.shape[3]
    out_c, kernel_h, kernel_w, weights_c = weights.shape
    node.require(
        weights_c == in_c, f"grouped convolution ({in_c} channels in, weights for {weights_c}) is not supported"
    )
    place = window(node, (kernel_h, kernel_w), out_c)
    q = weight_quantization(node, node.input(1), out_c, axis=0)
    matrix = weights.reshape(out_c, -1)
    input_zero_point = node.int8(source).zero_point
    pointwise = kernel_h == kernel_w == 1 and place["pad_h"] == place["pad_w"] == 0
    pairs = channel_multipliers(node, q)
    return Layer(
        index=0,
        name=target.name,
        op="CONV_2D",
        kernel="conv_2d",
        shape={
            **place, "in_c": in_c, "out_c": out_c,
            "pointwise": int(pointwise),
            "input_zero_point": input_zero_point, "output": requantize_shape(node, pairs),
        },
        inputs=(source.index,),
        outputs=(target.index,),
        constants=(
            int8_constant("weights", interleave(matrix)),
            int32_constant("bias", folded_bias(node, 2, matrix.sum(axis=1, dtype=np.int64), input_zero_point)),
            *requantize_constants(pairs),
        ),
        scratch_bytes=0 if pointwise else matrix.shape[1],
        macs=target.elements // out_c * matrix.size,
    )  # fmt: skip
