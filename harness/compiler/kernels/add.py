"""ADD of two int8 tensors, broadcast against each other, each on a scale of its own."""

from dataclasses import dataclass

import numpy as np

from harness.compiler.graph import Tensor
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

LEFT_SHIFT = 20
MAX_AXES = 4


@dataclass(frozen=True)
class Operand:
    """An input: its tensor, and how its values come to the common scale."""

    tensor: Tensor
    zero_point: int
    multiplier: int
    shift: int


@dataclass(frozen=True)
class Sum:
    """An ADD that was checked.

    Attributes:
        output: the tensor it writes.
        a: the first input.
        b: the second.
        zero_point: of the output.
        multiplier: from the common scale to the output's.
        shift: of it.
        low: least output.
        high: greatest output.
    """

    output: Tensor
    a: Operand
    b: Operand
    zero_point: int
    multiplier: int
    shift: int
    low: int
    high: int

    @property
    def overlaps(self) -> dict[int, int]:
        """Return the inputs that the output may overwrite: an element is read before it is written."""
        whole = (x.tensor for x in (self.a, self.b) if x.tensor.elements == self.output.elements)
        return {tensor.index: 0 for tensor in whole if tensor.data is None}


def read(node: Node) -> Sum:
    """Check the operator.

    Raises:
        UserError: it is damaged, or TensorFlow Lite Micro would refuse its scales.
    """
    node.counts((2,))
    a, b, target = node.input(0), node.input(1), node.output
    qa, qb, q = node.int8(a), node.int8(b), node.int8(target)
    node.require(a.data is None or b.data is None, "both inputs are constants; expected computed values")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        node.fail(f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast")
    node.expect_output_shape(shape)
    twice_max = 2.0 * max(qa.scale, qb.scale)
    scales = (qa.scale / twice_max, qb.scale / twice_max, twice_max / ((1 << LEFT_SHIFT) * q.scale))
    node.require(
        scales[2] < 1.0, f"the output scale {q.scale} is too small for the input scales {qa.scale}, {qb.scale}"
    )
    of_a, of_b, of_sum = (node.multiplier(scale) for scale in scales)
    low, high = node.clamp(node.option("activation"))
    return Sum(
        target, Operand(a, qa.zero_point, *of_a), Operand(b, qb.zero_point, *of_b), q.zero_point, *of_sum, low, high
    )


def lower(node: Node) -> Layer:
    """Lower to kernels/add.h."""
    s = read(node)
    a, b = s.a, s.b
    size, stride_a, stride_b = _merge(node, s.output.shape, a.tensor.shape, b.tensor.shape)
    return Layer(
        index=0,
        name=s.output.name,
        op="ADD",
        kernel="add",
        shape={
            "size": size, "stride_a": stride_a, "stride_b": stride_b,
            "a_zero_point": a.zero_point, "a_multiplier": a.multiplier, "a_shift": a.shift,
            "b_zero_point": b.zero_point, "b_multiplier": b.multiplier, "b_shift": b.shift,
            "output_zero_point": s.zero_point, "output_multiplier": s.multiplier, "output_shift": s.shift,
            "output_min": s.low, "output_max": s.high,
        },
        inputs=(a.tensor.index, b.tensor.index),
        outputs=(s.output.index,),
        overlaps=s.overlaps,
    )  # fmt: skip


def _merge(
    node: Node, shape: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return sizes and strides over four axes, neighbours that repeat alike merged."""
    a, b = (1,) * (len(shape) - len(a)) + a, (1,) * (len(shape) - len(b)) + b
    groups: list[tuple[int, bool, bool]] = []  # size, a runs along it, b runs along it
    for size, size_a, size_b in zip(shape, a, b, strict=True):
        if size == 1:
            continue
        runs = (size_a > 1, size_b > 1)
        if groups and groups[-1][1:] == runs:
            groups[-1] = (groups[-1][0] * size, *runs)
        else:
            groups.append((size, *runs))
    node.require(len(groups) <= MAX_AXES, f"shapes {list(a)} and {list(b)} broadcast along too many separate axes")
    groups = [(1, True, True)] * (MAX_AXES - len(groups)) + groups
    return tuple(size for size, _, _ in groups), _strides(groups, 1), _strides(groups, 2)


def _strides(groups: list[tuple[int, bool, bool]], which: int) -> tuple[int, ...]:
    strides, step = [], 1
    for group in reversed(groups):
        strides.append(step if group[which] else 0)
        step *= group[0] if group[which] else 1
    return tuple(reversed(strides))
