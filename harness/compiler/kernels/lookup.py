"""Operators of one int8 variable, as a table of 256 results: RELU, RELU6, LOGISTIC, QUANTIZE from int8."""

import math
from collections.abc import Callable

import numpy as np

from harness.compiler.fixedpoint import (
    calculate_input_radius,
    logistic,
    multiply_by_quantized_multiplier,
    quantize_float,
    rounding_divide_by_pot,
    wrap32,
)
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer, int8_constant

LOGISTIC_INTEGER_BITS = 4


def lower_relu(node: Node) -> Layer:
    """Lower RELU: the input rescaled to the output's scale, not below its zero point."""
    low = max(-128, node.int8(node.output).zero_point)
    return _lower(node, _rescale(node, low))


def lower_relu6(node: Node) -> Layer:
    """Lower RELU6: TFLM clamps with the input's scale and does not rescale."""
    q = node.int8(node.input())
    six = max(-128, min(127, quantize_float(6.0, q.scale, q.zero_point)))
    return _lower(node, lambda x: six if x > six else max(x, q.zero_point))


def lower_requantize(node: Node) -> Layer:
    """Lower QUANTIZE from int8 to int8: another scale, another zero point."""
    return _lower(node, _rescale(node, -128))


def lower_logistic(node: Node) -> Layer:
    """Lower LOGISTIC (reference_integer_ops::Logistic)."""
    q, q_out = node.int8(node.input()), node.int8(node.output)
    node.require(q_out.zero_point == -128, f"the output has zero point {q_out.zero_point}; expected -128")
    fraction, shift = math.frexp(q.scale * (1 << (31 - LOGISTIC_INTEGER_BITS)))
    node.require(0 <= shift <= 30, f"input scale {q.scale} is out of range for a logistic function")
    multiplier = min(round(fraction * 2**31), 2**31 - 1)
    radius = calculate_input_radius(LOGISTIC_INTEGER_BITS, shift)

    def function(x: int) -> int:
        value = x - q.zero_point
        if abs(value) >= radius:
            return -128 if value < 0 else 127
        result = logistic(multiply_by_quantized_multiplier(value, multiplier, shift), LOGISTIC_INTEGER_BITS)
        return rounding_divide_by_pot(result, 31 - 8) - 128

    return _lower(node, function)


def _rescale(node: Node, low: int) -> Callable[[int], int]:
    source, target = node.int8(node.input()), node.int8(node.output)
    multiplier, shift = node.multiplier(source.scale / target.scale)

    def function(x: int) -> int:
        scaled = multiply_by_quantized_multiplier(x - source.zero_point, multiplier, shift)
        return max(low, wrap32(scaled + target.zero_point))

    return function


def _lower(node: Node, function: Callable[[int], int]) -> Layer:
    node.counts((1,))
    source, target = node.activation(), node.output
    node.int8(target)
    node.same_shape()
    table = np.clip([function(x) for x in range(-128, 128)], -128, 127)
    return Layer(
        index=0,
        name=target.name,
        op=node.operator.op,
        kernel="lookup",
        shape={"size": source.elements},
        inputs=(source.index,),
        outputs=(target.index,),
        constants=(int8_constant("table", table),),
        overlaps={source.index: 0},
    )
