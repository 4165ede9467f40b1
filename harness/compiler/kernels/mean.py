"""MEAN over any axes of an int8 tensor."""

from dataclasses import dataclass
from itertools import groupby
from math import prod

import numpy as np

from harness.compiler.graph import Tensor
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

MAX_SUMMED = 1 << 23  # as many int8 values as a 32-bit sum surely holds


@dataclass(frozen=True)
class Mean:
    """A MEAN that was checked.

    Attributes:
        input: the tensor it reads.
        output: the tensor it writes.
        sizes: keep x sum x keep x sum x keep.
        offset: what is taken from a sum.
        multiplier: from a sum to the output's scale, 1 / the number of values in it.
        shift: of it.
        zero_point: of the output.
    """

    input: Tensor
    output: Tensor
    sizes: tuple[int, ...]
    offset: int
    multiplier: int
    shift: int
    zero_point: int


def read(node: Node) -> Mean:
    """Check the operator.

    Raises:
        UserError: it is damaged, or sums more than 32 bits hold.
    """
    node.counts((2,))
    source, target = node.activation(), node.output
    rank = len(source.shape)
    axes = _axes(node, rank)
    kept = tuple(size for axis, size in enumerate(source.shape) if axis not in axes)
    with_ones = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape))
    node.expect_output_shape(with_ones if node.option("keep_dims") else kept)
    sizes = _merge(node, source.shape, axes)
    count = prod(source.shape[axis] for axis in axes)
    node.require(count <= MAX_SUMMED, f"sums {count} values; expected at most {MAX_SUMMED}")
    source_q, target_q = node.int8(source), node.int8(target)
    multiplier, shift = _divided(*node.multiplier(source_q.scale / target_q.scale), count)
    return Mean(source, target, sizes, source_q.zero_point * count, multiplier, shift, target_q.zero_point)


def lower(node: Node) -> Layer:
    """Lower to kernels/mean.h."""
    mean = read(node)
    return Layer(
        index=0,
        name=mean.output.name,
        op="MEAN",
        kernel="mean",
        shape={
            **dict(zip(("keep0", "sum0", "keep1", "sum1", "keep2"), mean.sizes, strict=True)),
            "offset": mean.offset, "multiplier": mean.multiplier, "shift": mean.shift,
            "output_zero_point": mean.zero_point,
        },
        inputs=(mean.input.index,),
        outputs=(mean.output.index,),
    )  # fmt: skip


def _axes(node: Node, rank: int) -> set[int]:
    values = [int(value) for value in np.ravel(node.constant(1, "int32"))]
    node.require(all(-rank <= value < rank for value in values), f"axes {values} for {rank} dimensions")
    return {value % rank for value in values}


def _merge(node: Node, shape: tuple[int, ...], axes: set[int]) -> tuple[int, ...]:
    """Merge neighbouring axes of one kind into keep x sum x keep x sum x keep."""
    real = [axis for axis in range(len(shape)) if shape[axis] > 1]
    runs = [(summed, prod(shape[a] for a in run)) for summed, run in groupby(real, key=lambda axis: axis in axes)]
    sizes: list[int] = []
    for summed, size in runs:
        if (len(sizes) % 2 == 1) != summed:
            sizes.append(1)
        sizes.append(size)
    node.require(
        len(sizes) <= 5, f"axes {sorted(axes)} of {list(shape)} alternate too often; at most two groups of axes"
    )
    return tuple(sizes + [1] * (5 - len(sizes)))


def _divided(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """Put 1 / count into a multiplier, as QuantizedMeanOrSum does (truncating)."""
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra
