"""The two instructions give the staircase that TensorFlow Lite Micro's two roundings give, or nothing is claimed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compiler.fixedpoint import multiply_by_quantized_multiplier
from harness.compiler.kernels.armv7em.requantize import Constants, fit
from harness.compiler.kernels.staircase import Staircase


@st.composite
def staircases(draw):
    channels = draw(st.integers(1, 4))
    multipliers = draw(st.lists(st.integers(2**30, 2**31 - 1), min_size=channels, max_size=channels))
    shifts = draw(st.lists(st.integers(1, 14), min_size=channels, max_size=channels))
    zero_point = draw(st.sampled_from([-128, -127, 0, 5, 127]) | st.integers(-128, 127))
    low = draw(st.sampled_from([-128, zero_point]))
    high = draw(st.sampled_from([127, min(127, low + 100)]))
    reach = draw(st.integers(100, 2**21))
    bounds = np.full(channels, reach, dtype=np.int64)
    return Staircase(np.array(multipliers), np.array(shifts), zero_point, low, high, -bounds, bounds)


def golden(stairs: Staircase, channel: int, x: np.ndarray) -> np.ndarray:
    m, n = int(stairs.multipliers[channel]), int(stairs.shifts[channel])
    values = np.array([multiply_by_quantized_multiplier(int(v), m, -n) for v in x]) + stairs.zero_point
    return np.clip(values, stairs.low, stairs.high)


def two_instructions(stairs: Staircase, constants: Constants, channel: int, k: int, x: np.ndarray, origin=0):
    """SMMLAR and SSAT, and the clamp that follows where the activation asks for one."""
    v = (x << k) + constants.bias[channel]
    assert np.all(np.abs(v) < 2**31)
    t = (v * constants.multiplier[channel] + (constants.addend[channel] << 32) + 2**31) >> 32
    assert np.all(np.abs(t) < 2**31)
    byte = np.clip(t >> constants.shift, 0, 255) if origin else np.clip(t >> constants.shift, -128, 127)
    return np.clip(byte + origin, stairs.low, stairs.high)


def interesting(stairs: Staircase, channel: int) -> np.ndarray:
    """Every accumulator beside a threshold, and the ends of the range."""
    near = stairs.thresholds()[channel]
    least, most = int(stairs.least[channel]), int(stairs.most[channel])
    x = np.concatenate([near - 1, near, near + 1, [least, -1, 0, 1, most]])
    return np.unique(x[(x >= least) & (x <= most)])


@settings(max_examples=300)
@given(staircases())
def test_thresholds_are_where_the_output_changes(stairs):
    for channel in range(stairs.multipliers.size):
        x = interesting(stairs, channel)
        counted = stairs.low + 0 * x
        steps = np.arange(-127, 128)
        reached = stairs.thresholds()[channel][None, :] <= x[:, None]
        counted = np.where(reached.any(axis=1), np.where(reached, steps, -128).max(axis=1), -128)
        assert np.array_equal(np.maximum(counted, stairs.low), golden(stairs, channel, x))


@settings(max_examples=300)
@given(staircases(), st.sampled_from([0, 1, 4, 8]), st.booleans(), st.integers(0, 3), st.booleans())
def test_what_is_found_is_exact(stairs, k, addend, coarser, from_low):
    shift = min(15, int(stairs.shifts.min()) - 1 + k) - coarser
    if shift < 0:
        return
    origin = stairs.low if from_low else 0
    constants = fit(stairs, np.full(stairs.multipliers.size, k), shift, addend=addend, origin=origin)
    if constants is None:
        return
    for channel in range(stairs.multipliers.size):
        x = interesting(stairs, channel)
        assert np.array_equal(two_instructions(stairs, constants, channel, k, x, origin), golden(stairs, channel, x))


@settings(max_examples=300)
@given(staircases())
def test_five_instructions_are_exact(stairs):
    assert stairs.regular
    for channel in range(stairs.multipliers.size):
        x = interesting(stairs, channel)
        m, n, r = int(stairs.multipliers[channel]), int(stairs.shifts[channel]), int(stairs.exact_addend()[channel])
        v = x << 1
        u = r + (v >> 31)
        s = (v * m + (u << 32) + 2**31) >> 32
        assert np.array_equal(np.clip(s >> n, stairs.low, stairs.high), golden(stairs, channel, x))


@pytest.mark.parametrize("k", [0, 8])
def test_relu_layers_as_they_are_found_nearly_always(k):
    random = np.random.default_rng(1)
    channels = 200
    stairs = Staircase(
        random.integers(2**30, 2**31, channels), random.integers(6, 9, channels), -128, -128, 127,
        np.full(channels, -(2**18)), np.full(channels, 2**18),
    )  # fmt: skip
    found = [fit(stairs.part(slice(c, c + 1)), np.full(1, k), 5 + k) is not None for c in range(channels)]
    assert np.mean(found) > 0.99


def test_a_planted_bug_would_be_seen():
    stairs = Staircase(np.array([1 << 30]), np.array([8]), -128, -128, 127, np.array([-(2**18)]), np.array([2**18]))
    constants = fit(stairs, np.zeros(1, dtype=np.int64), 7)
    assert constants is not None
    wrong = Constants(constants.shift, constants.multiplier, constants.addend, constants.bias + 1)
    x = interesting(stairs, 0)
    assert not np.array_equal(two_instructions(stairs, wrong, 0, 0, x), golden(stairs, 0, x))
