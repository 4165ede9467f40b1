"""TensorFlow Lite Micro's integer arithmetic, in Python integers, rounding step for rounding step.

The names are those of gemmlowp's fixedpoint.h and TensorFlow Lite's quantization_util.cc, whose results these
functions reproduce bit for bit (the build without TFLITE_SINGLE_ROUNDING). A "Qm" number is a 32-bit integer with m
integer bits: value = raw / 2**(31 - m).
"""

import math

import numpy as np

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def wrap32(x: int) -> int:
    """Reduce to 32 bits as C does on every machine that matters (two's complement)."""
    return (x + 2**31) % 2**32 - 2**31


def saturate32(x: int) -> int:
    """Clamp to the range of int32."""
    return max(INT32_MIN, min(INT32_MAX, x))


def round_half_away(x: float) -> int:
    """Round as C's round(): half away from zero."""
    return math.floor(x + 0.5) if x >= 0 else -math.floor(-x + 0.5)


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """Return round(a * b / 2**31), half up; saturated where both are INT32_MIN."""
    return saturate32((a * b + 2**30) >> 31)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    """Return round(x / 2**exponent), half away from zero; 0 <= exponent <= 31."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Split a real multiplier into (multiplier, shift), real = multiplier / 2**31 * 2**shift.

    Args:
        real: finite and not negative.

    Returns:
        A multiplier that is 0 or in [2**30, 2**31), and a shift in [-31, 1023] (positive: to the left).
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * 2**31)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def multiply_by_quantized_multiplier(x: int, multiplier: int, shift: int) -> int:
    """Return x * multiplier / 2**31 * 2**shift, rounded twice as TFLM does; the left shift wraps at 32 bits."""
    shifted = wrap32(x << shift) if shift > 0 else x
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, multiplier), max(0, -shift))


def multiply_by_pot(x: int, exponent: int) -> int:
    """Return x * 2**exponent: saturated to the left, rounded to the right (SaturatingRoundingMultiplyByPOT)."""
    return saturate32(x << exponent) if exponent >= 0 else rounding_divide_by_pot(x, -exponent)


def calculate_input_radius(integer_bits: int, left_shift: int) -> int:
    """Return the largest input magnitude that does not overflow Q(integer_bits) after `left_shift`."""
    return math.floor(((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift))


def one_over_one_plus_x(a: int) -> int:
    """Return 1 / (1 + a) in Q0 for a in Q0, 0 <= a < 1 (Newton-Raphson, three steps)."""
    mul = saturating_rounding_doubling_high_mul
    half_denominator = (a + INT32_MAX + 1) >> 1
    x = 1515870810 + mul(half_denominator, -1010580540)
    for _ in range(3):
        one_minus = (1 << 29) - mul(half_denominator, x)
        x = x + multiply_by_pot(mul(x, one_minus), 2)
    return multiply_by_pot(x, 1)


def _exp_near_zero(a: int) -> int:
    """Return exp(a) in Q0 for a in Q0, -1/4 <= a < 0: a Taylor polynomial around -1/8."""
    mul = saturating_rounding_doubling_high_mul
    exp_minus_eighth, one_third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3, x4 = mul(x2, x), mul(x2, x2)
    polynomial = multiply_by_pot(mul(multiply_by_pot(x4, -2) + x3, one_third) + x2, -1)
    return exp_minus_eighth + mul(exp_minus_eighth, x + polynomial)


def exp_on_negative_values(a: int, integer_bits: int) -> int:
    """Return exp(a) in Q0 for a <= 0 in Q(integer_bits), integer_bits <= 5."""
    if a == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    a_mod_quarter = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(multiply_by_pot(a_mod_quarter, integer_bits))
    remainder = a_mod_quarter - a
    powers = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}
    for exponent, exp_of_power in powers.items():
        if exponent < integer_bits and remainder & (1 << (fraction_bits + exponent)):
            result = saturating_rounding_doubling_high_mul(result, exp_of_power)
    return result


def logistic(a: int, integer_bits: int) -> int:
    """Return 1 / (1 + exp(-a)) in Q0 for a in Q(integer_bits)."""
    if a == 0:
        return 1 << 30
    positive = one_over_one_plus_x(exp_on_negative_values(-abs(a), integer_bits))
    return positive if a > 0 else INT32_MAX - positive


def quantize_float(value: float, scale: float, zero_point: int) -> int:
    """Return zero_point + round(value / scale) with the division in float32, as TFLM quantises a clamp's limit."""
    with np.errstate(over="ignore"):
        quotient = float(np.float32(value) / np.float32(scale))
    return zero_point + (
        round_half_away(quotient) if abs(quotient) < 2**31 else (INT32_MAX if quotient > 0 else INT32_MIN)
    )
