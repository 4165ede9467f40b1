"""FULLY_CONNECTED: input rows x depth (leading dimensions together are rows), weights channels x depth."""

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
from harness.compiler.layer import Layer, int8_constant, int32_constant


@dataclass(frozen=True)
class Dense:
    """A fully connected layer that was checked.

    Attributes:
        name: of the output tensor.
        input: tensor index.
        output: tensor index.
        rows: inputs that are multiplied, one after another.
        matrix: (channels, depth) weights.
        bias: (channels,), the input's zero point folded in; int32.
        pairs: (multiplier, shift) of each channel, or one for all.
        requantize: the fields of kernels/requantize.h.
    """

    name: str
    input: int
    output: int
    rows: int
    matrix: NDArray[np.int8] = field(repr=False)
    bias: NDArray[np.int32] = field(repr=False)
    pairs: list[tuple[int, int]] = field(repr=False)
    requantize: Mapping[str, int]

    @property
    def macs(self) -> int:
        """Return the multiply-accumulates."""
        return self.rows * self.matrix.size

    def stairs(self) -> Staircase:
        """Return the outputs as functions of the accumulators."""
        return staircase(self.matrix, self.bias, self.pairs, self.requantize)


def read(node: Node) -> Dense:
    """Check the operator.

    Raises:
        UserError: it is damaged, or its weights are shuffled.
    """
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
    return Dense(
        name=target.name, input=source.index, output=target.index, rows=rows, matrix=weights,
        bias=folded_bias(node, 2, weights.sum(axis=1, dtype=np.int64), input_zero_point), pairs=pairs,
        requantize=requantize_shape(node, pairs),
    )  # fmt: skip


def lower(node: Node) -> Layer:
    """Lower to kernels/fully_connected.h."""
    dense = read(node)
    channels, depth = dense.matrix.shape
    return Layer(
        index=0,
        name=dense.name,
        op="FULLY_CONNECTED",
        kernel="fully_connected",
        shape={"rows": dense.rows, "depth": depth, "channels": channels, "output": dense.requantize},
        inputs=(dense.input,),
        outputs=(dense.output,),
        constants=(
            int8_constant("weights", interleave(dense.matrix)),
            int32_constant("bias", dense.bias),
            *requantize_constants(dense.pairs),
        ),
        macs=dense.macs,
    )
