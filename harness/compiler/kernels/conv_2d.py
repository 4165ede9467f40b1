"""CONV_2D: input batches x h x w x in_c, weights out_c x kernel_h x kernel_w x in_c."""

import numpy as np

from harness.compiler.kernels.node import Node, same_padding
from harness.compiler.kernels.weights import (
    channel_multipliers,
    folded_bias,
    interleave,
    requantize_constants,
    requantize_shape,
    weight_quantization,
)
from harness.compiler.layer import Layer, int8_constant, int32_constant


def lower(node: Node) -> Layer:
    """Lower to kernels/conv_2d.h."""
    node.counts((2, 3))
    source, target = node.activation(), node.output
    weights = node.constant(1, "int8")
    node.require(
        len(source.shape) == 4 and weights.ndim == 4 and len(target.shape) == 4, "expected tensors of 4 dimensions"
    )
    batches, in_h, in_w, in_c = source.shape
    out_c, kernel_h, kernel_w, weights_c = weights.shape
    node.require(
        weights_c == in_c, f"grouped convolution ({in_c} channels in, weights for {weights_c}) is not supported"
    )
    _, out_h, out_w, _ = target.shape
    node.expect_output_shape((batches, out_h, out_w, out_c))
    padding, (stride_h, stride_w), (dilation_h, dilation_w) = (
        node.option(n) for n in ("padding", "stride", "dilation")
    )
    pad_h = same_padding(node, in_h, out_h, kernel_h, stride_h, dilation_h, padding)
    pad_w = same_padding(node, in_w, out_w, kernel_w, stride_w, dilation_w, padding)
    q = weight_quantization(node, node.input(1), out_c, axis=0)
    matrix = weights.reshape(out_c, -1)
    input_zero_point = node.int8(source).zero_point
    pointwise = kernel_h == kernel_w == 1 and pad_h == pad_w == 0
    pairs = channel_multipliers(node, q)
    return Layer(
        index=0,
        name=target.name,
        op="CONV_2D",
        kernel="conv_2d",
        shape={
            "batches": batches, "in_h": in_h, "in_w": in_w, "in_c": in_c,
            "out_h": out_h, "out_w": out_w, "out_c": out_c,
            "kernel_h": kernel_h, "kernel_w": kernel_w, "stride_h": stride_h, "stride_w": stride_w,
            "dilation_h": dilation_h, "dilation_w": dilation_w, "pad_h": pad_h, "pad_w": pad_w,
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
        macs=batches * out_h * out_w * matrix.size,
    )  # fmt: skip
