"""SOFTMAX over the last axis of an int8 tensor."""

from harness.compiler.fixedpoint import (
    INT32_MAX,
    calculate_input_radius,
    exp_on_negative_values,
    saturating_rounding_doubling_high_mul,
    wrap32,
)
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer, int32_constant

INTEGER_BITS = 5  # of the scaled difference to the largest input


def lower(node: Node) -> Layer:
    """Lower to kernels/softmax.h."""
    node.counts((1,))
    source, target = node.activation(), node.output
    node.same_shape()
    node.require(len(source.shape) >= 1, "expected at least one dimension")
    q, q_out = node.int8(source), node.int8(target)
    node.require(
        q_out.zero_point == -128 and q_out.scale == 1 / 256,
        f"the output has scale {q_out.scale} and zero point {q_out.zero_point}; expected 1/256 and -128",
    )
    exps = exp_table(node, q.scale, node.option("beta"))
    return Layer(
        index=0,
        name=target.name,
        op="SOFTMAX",
        kernel="softmax",
        shape={"rows": source.elements // source.shape[-1], "depth": source.shape[-1], "count": len(exps)},
        inputs=(source.index,),
        outputs=(target.index,),
        constants=(int32_constant("exps", exps),),
        overlaps={source.index: 0},
    )


def exp_table(node: Node, scale: float, beta: float) -> list[int]:
    """Return exp(-d * scale * beta) in Q0 for d = 0, 1 ... while the difference counts (PreprocessSoftmaxScaling)."""
    real = min(beta * scale * (1 << (31 - INTEGER_BITS)), 2.0**31 - 1.0)
    node.require(real > 1.0, f"input scale {scale} and beta {beta} are too small for a softmax")
    multiplier, shift = node.multiplier(real) if real < 1 << 30 else _capped(real)
    radius = calculate_input_radius(INTEGER_BITS, shift)
    scaled = (
        saturating_rounding_doubling_high_mul(wrap32(-d << shift), multiplier) for d in range(min(radius, 255) + 1)
    )
    return [exp_on_negative_values(value, INTEGER_BITS) for value in scaled]


def _capped(real: float) -> tuple[int, int]:
    """Return the fixed point form of a multiplier in [2**30, 2**31), whose left shift is 31."""
    return min(INT32_MAX, round(real)), 31
