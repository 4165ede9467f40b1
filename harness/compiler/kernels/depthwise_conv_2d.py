"""DEPTHWISE_CONV_2D: input batches x h x w x in_c, weights 1 x kernel_h x kernel_w x in_c * depth_multiplier."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Staircase, staircase
from harness.compiler.kernels.weights import (
    channel_multipliers,
    folded_bias,
    requantize_constants,
    requantize_shape,
    weight_quantization,
)
from harness.compiler.kernels.window import window
from harness.compiler.layer import Layer, int8_constant, int32_constant


@dataclass(frozen=True)
class Depthwise:
    """A depthwise convolution that was checked.

    Attributes:
        name: of the output tensor.
        input: tensor index.
        output: tensor index.
        place: batches, in_h, in_w, out_h, out_w, kernel_*, stride_*, dilation_*, pad_* (window.py).
        in_c: input channels.
        out_c: output channels, a multiple of in_c.
        weights: (kernel_h, kernel_w, out_c).
        bias: (out_c,), the input's zero point folded in; int32.
        pairs: (multiplier, shift) of each channel, or one for all.
        requantize: the fields of kernels/requantize.h.
        input_zero_point: what padding holds.
        macs: multiply-accumulates, padding counted.
    """

    name: str
    input: int
    output: int
    place: Mapping[str, int]
    in_c: int
    out_c: int
    weights: NDArray[np.int8] = field(repr=False)
    bias: NDArray[np.int32] = field(repr=False)
    pairs: list[tuple[int, int]] = field(repr=False)
    requantize: Mapping[str, int]
    input_zero_point: int
    macs: int

    def stairs(self) -> Staircase:
        """Return the outputs as functions of the accumulators."""
        return staircase(self.weights.reshape(-1, self.out_c).T, self.bias, self.pairs, self.requantize)


def read(node: Node) -> Depthwise:
    """Check the operator.

    Raises:
        UserError: it is damaged.
    """
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
    return Depthwise(
        name=target.name, input=source.index, output=target.index, place=place, in_c=in_c, out_c=out_c,
        weights=weights[0], bias=folded_bias(node, 2, sums, input_zero_point), pairs=pairs,
        requantize=requantize_shape(node, pairs), input_zero_point=input_zero_point,
        macs=target.elements // out_c * weights.size,
    )  # fmt: skip


def lower(node: Node) -> Layer:
    """Lower to kernels/depthwise_conv_2d.h."""
    conv = read(node)
    return Layer(
        index=0,
        name=conv.name,
        op="DEPTHWISE_CONV_2D",
        kernel="depthwise_conv_2d",
        shape={
            **conv.place, "in_c": conv.in_c, "out_c": conv.out_c, "depth_multiplier": conv.out_c // conv.in_c,
            "input_zero_point": conv.input_zero_point, "output": conv.requantize,
        },
        inputs=(conv.input,),
        outputs=(conv.output,),
        constants=(
            int8_constant("weights", conv.weights.ravel()),
            int32_constant("bias", conv.bias),
            *requantize_constants(conv.pairs),
        ),
        macs=conv.macs,
    )  # fmt: skip
