"""FULLY_CONNECTED: input rows x depth (leading dimensions together are rows), weights channels x depth."""

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
from harness.compiler.layer import Layer, int8_constant, int32_constant


def lower(node: Node) -> Layer:
    """Lower to kernels/fully_connected.h."""
    node.counts((2, 3))
    source, target = node.activation(), node.output
    weights = node.constant(1, "int8")
    node.require(weights.ndim == 2, f"the weights have shape {list(weights.shape)}; expected [channels, depth]")
    node.require(node.option("weights_format") == 0, "shuffled weights are not supported; expected the default format")
    channels, depth = weights.shape
    rows = source.elements // depth
    node.require(
        rows * depth == source.elements and target.elements == rows * channels,
        f"shapes do not fit: input {list(source.shape)}, weights {list(weights.shape)}, output {list(target.shape)}",
    )
    q = weight_quantization(node, node.input(1), channels, axis=0)
    input_zero_point = node.int8(source).zero_point
    pairs = channel_multipliers(node, q)
    return Layer(
        index=0,
        name=target.name,
        op="FULLY_CONNECTED",
        kernel="fully_connected",
        shape={
            "rows": rows, "depth": depth, "channels": channels,
            "output": requantize_shape(node, pairs),
        },
        inputs=(source.index,),
        outputs=(target.index,),
        constants=(
            int8_constant("weights", interleave(weights)),
            int32_constant("bias", folded_bias(node, 2, weights.sum(axis=1, dtype=np.int64), input_zero_point)),
            *requantize_constants(pairs),
        ),
        macs=rows * weights.size,
    )  # fmt: skip
