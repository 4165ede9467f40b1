"""CONV_2D: input batches x h x w x in_c, weights out_c x kernel_h x kernel_w x in_c."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Staircase, staircase
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


@dataclass(frozen=True)
class Convolution:
    """A convolution that was checked.

    Attributes:
        name: of the output tensor.
        input: tensor index.
        output: tensor index.
        place: batches, in_h, in_w, out_h, out_w, kernel_*, stride_*, dilation_*, pad_* (window.py).
        in_c: input channels.
        out_c: output channels.
        matrix: (out_c, kernel_h * kernel_w * in_c) weights.
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
    matrix: NDArray[np.int8] = field(repr=False)
    bias: NDArray[np.int32] = field(repr=False)
    pairs: list[tuple[int, int]] = field(repr=False)
    requantize: Mapping[str, int]
    input_zero_point: int
    macs: int

    @property
    def pointwise(self) -> bool:
        """Tell whether a window is one pixel, never a padded one."""
        place = self.place
        return place["kernel_h"] == place["kernel_w"] == 1 and place["pad_h"] == place["pad_w"] == 0

    def stairs(self) -> Staircase:
        """Return the outputs as functions of the accumulators."""
        return staircase(self.matrix, self.bias, self.pairs, self.requantize)


def read(node: Node) -> Convolution:
    """Check the operator.

    Raises:
        UserError: it is damaged or grouped.
    """
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
    pairs = channel_multipliers(node, q)
    return Convolution(
        name=target.name, input=source.index, output=target.index, place=place, in_c=in_c, out_c=out_c, matrix=matrix,
        bias=folded_bias(node, 2, matrix.sum(axis=1, dtype=np.int64), input_zero_point),
        pairs=pairs, requantize=requantize_shape(node, pairs), input_zero_point=input_zero_point,
        macs=target.elements // out_c * matrix.size,
    )  # fmt: skip


def lower(node: Node) -> Layer:
    """Lower to kernels/conv_2d.h."""
    conv = read(node)
    return Layer(
        index=0,
        name=conv.name,
        op="CONV_2D",
        kernel="conv_2d",
        shape={
            **conv.place, "in_c": conv.in_c, "out_c": conv.out_c,
            "pointwise": int(conv.pointwise),
            "input_zero_point": conv.input_zero_point, "output": conv.requantize,
        },
        inputs=(conv.input,),
        outputs=(conv.output,),
        constants=(
            int8_constant("weights", interleave(conv.matrix)),
            int32_constant("bias", conv.bias),
            *requantize_constants(conv.pairs),
        ),
        scratch_bytes=0 if conv.pointwise else conv.matrix.shape[1],
        macs=conv.macs,
    )  # fmt: skip
