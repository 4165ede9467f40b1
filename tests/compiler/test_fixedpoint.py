"""TFLM's integer arithmetic against exact rational arithmetic and against the real functions it stands for."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compiler.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    exp_on_negative_values,
    logistic,
    multiply_by_pot,
    multiply_by_quantized_multiplier,
    one_over_one_plus_x,
    quantize_float,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    wrap32,
)
from tests.support.profiles import examples

int32 = st.one_of(st.sampled_from((INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX)), st.integers(INT32_MIN, INT32_MAX))


def half_away(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2)) if x >= 0 else math.ceil(x - Fraction(1, 2))


@examples(300)
@given(int32, int32)
def test_high_mul_rounds_half_up_and_saturates(a, b):
    expected = math.floor(Fraction(a * b, 2**31) + Fraction(1, 2))
    assert saturating_rounding_doubling_high_mul(a, b) == min(INT32_MAX, expected)


@examples(300)
@given(int32, st.integers(0, 31))
def test_divide_rounds_half_away_from_zero(x, exponent):
    assert rounding_divide_by_pot(x, exponent) == half_away(Fraction(x, 2**exponent))


@examples(300)
@given(st.floats(2.0**-31, 2.0**29))
def test_a_split_multiplier_is_the_real_one_within_half_a_unit(real):
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) / Fraction(real) - 1) <= Fraction(1, 2**31)


def test_the_ends_of_the_multiplier():
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-33) == (0, 0)
    assert quantize_multiplier(1.0) == (2**30, 1)
    assert quantize_multiplier(1 - 2.0**-40) == (2**30, 1)


@examples(300)
@given(int32, st.floats(2.0**-20, 0.999))
def test_a_product_is_within_one_of_the_real_one(x, real):
    got = multiply_by_quantized_multiplier(x, *quantize_multiplier(real))
    assert abs(got - Fraction(x) * Fraction(real)) <= 1 + abs(Fraction(x)) / 2**31


@pytest.mark.parametrize(("x", "expected"), [(2**31, INT32_MIN), (-(2**31) - 1, INT32_MAX), (2**32 + 5, 5), (-7, -7)])
def test_wrap(x, expected):
    assert wrap32(x) == expected


@pytest.mark.parametrize(("x", "expected"), [(0.5, 1), (-0.5, -1), (1.5, 2), (-2.5, -3), (0.49, 0), (-0.49, 0)])
def test_round(x, expected):
    assert round_half_away(x) == expected


@examples(300)
@given(int32, st.integers(-31, 31))
def test_multiply_by_pot_saturates(x, exponent):
    expected = half_away(Fraction(x) * Fraction(2) ** exponent)
    assert multiply_by_pot(x, exponent) == max(INT32_MIN, min(INT32_MAX, expected))


@examples(200)
@given(st.floats(-31.9, 0))
def test_exp(x):
    assert exp_on_negative_values(round(x * 2**26), 5) / 2**31 == pytest.approx(math.exp(x), abs=1e-6)


@examples(200)
@given(st.floats(-15.9, 15.9))
def test_logistic(x):
    assert logistic(round(x * 2**27), 4) / 2**31 == pytest.approx(1 / (1 + math.exp(-x)), abs=1e-6)


@examples(200)
@given(st.floats(0, 0.999999))
def test_reciprocal(x):
    assert one_over_one_plus_x(int(x * 2**31)) / 2**31 == pytest.approx(1 / (1 + x), abs=1e-7)


def test_a_clamp_limit_saturates_instead_of_overflowing():
    assert quantize_float(6.0, 1e-38, 5) == 5 + INT32_MAX
    assert quantize_float(-6.0, 1e-45, 5) == 5 + INT32_MIN
    assert quantize_float(6.0, 0.5, -3) == 9
