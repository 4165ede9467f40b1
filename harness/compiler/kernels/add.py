"""ADD of two int8 tensors, broadcast against each other, each on a scale of its own."""

import numpy as np

from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

LEFT_SHIFT = 20
MAX_AXES = 4


def lower(node: Node) -> Layer:
    """Lower to kernels/add.h."""
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
    (ma, sa), (mb, sb), (mo, so) = (node.multiplier(scale) for scale in scales)
    size, stride_a, stride_b = _merge(node, shape, a.shape, b.shape)
    low, high = node.clamp(node.option("activation"))
    return Layer(
        index=0,
        name=target.name,
        op="ADD",
        kernel="add",
        shape={
            "size": size, "stride_a": stride_a, "stride_b": stride_b,
            "a_zero_point": qa.zero_point, "a_multiplier": ma, "a_shift": sa,
            "b_zero_point": qb.zero_point, "b_multiplier": mb, "b_shift": sb,
            "output_zero_point": q.zero_point, "output_multiplier": mo, "output_shift": so,
            "output_min": low, "output_max": high,
        },
        inputs=(a.index, b.index),
        outputs=(target.index,),
        overlaps={t.index: 0 for t in (a, b) if t.data is None and t.elements == target.elements},
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
