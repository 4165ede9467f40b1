"""A layer's outputs as staircases over its accumulators: all there is to know about its requantisation.

TensorFlow Lite Micro turns an accumulator x into an output in two rounded steps, q = RDBP(SRDHM(x, m), n), adds the
zero point z and clamps (gemmlowp, fixedpoint.h). As a function of x that is a staircase of at most 255 steps, known
completely by its thresholds T_j, the least x whose output is at least j.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

MAX_EXACT_SHIFT = 22
"""The largest n for which (2 z + 1) 2^(n-1) and SRDHM's result fit 32 bits together."""
NEVER = np.int64(2**60)
IRREGULAR = "a multiplier of 1 or more, or sums beyond 30 bits"
"""Why a staircase is not for the core's kernels, see `Staircase.regular`."""


@dataclass(frozen=True)
class Staircase:
    """The outputs of one layer as functions of their accumulators.

    Attributes:
        multipliers: (channels,) m: 0 or in [2^30, 2^31).
        shifts: (channels,) n, to the right; what is not in 1..22 is not for this core's kernels.
        zero_point: of the output.
        low: least output, after the activation's clamp.
        high: greatest output.
        least: (channels,) the least accumulator that any input can reach.
        most: (channels,) the greatest.
    """

    multipliers: Int64s
    shifts: Int64s
    zero_point: int
    low: int
    high: int
    least: Int64s
    most: Int64s

    @property
    def regular(self) -> bool:
        """Tell whether the five instructions give every output: 2 x must fit 32 bits."""
        reach = np.maximum(np.abs(self.least), np.abs(self.most))
        return bool(np.all((self.shifts >= 1) & (self.shifts <= MAX_EXACT_SHIFT)) and reach.max(initial=0) < 2**30)

    def without_tiny(self) -> "Staircase":
        """Return the same with m = 0, n = 1 where the multiplier is so small that every reachable x gives z."""
        reach = np.maximum(np.abs(self.least), np.abs(self.most))
        tiny = (self.multipliers == 0) | ((self.shifts > MAX_EXACT_SHIFT) & (reach < 2**21))
        return replace(self, multipliers=np.where(tiny, 0, self.multipliers), shifts=np.where(tiny, 1, self.shifts))

    def exact_addend(self, origin: int = 0) -> Int64s:
        """Return R = (2 z + 1) 2^(n-1), which rounds and adds the zero point z; with an origin, z less that."""
        return (2 * (self.zero_point - origin) + 1) * (np.int64(1) << (self.shifts - 1))

    @property
    def clamped(self) -> bool:
        """Tell whether the activation allows less than int8."""
        return (self.low, self.high) != (-128, 127)

    def thresholds(self) -> Int64s:
        """Return (channels, 255): the least x whose output is at least j, for j = -127..127.

        SRDHM(x, m) = floor((x m + 2^30) / 2^31), and RDBP(s, n) >= q where s >= (2q - 1) 2^(n-1), plus 1 where q <= 0.
        Where no x reaches j the threshold is beyond everything, where all x do, below.
        """
        j, q = levels(self.zero_point)
        n, m = self.shifts[:, None], np.maximum(self.multipliers, 1)[:, None]
        found = ceil_div(steps(q, n) * 2**31 - 2**30, m)
        found = np.where(self.multipliers[:, None] == 0, np.where(q <= 0, -NEVER, NEVER), found)
        return np.where(j <= self.low, -NEVER, np.where(j > self.high, NEVER, found))

    def part(self, which: slice | Int64s) -> "Staircase":
        """Return some of the channels."""
        return replace(
            self, multipliers=self.multipliers[which], shifts=self.shifts[which],
            least=self.least[which], most=self.most[which],
        )  # fmt: skip


def staircase(
    matrix: NDArray[np.int8], bias: NDArray[np.int32], pairs: list[tuple[int, int]], requantize: Mapping[str, int]
) -> Staircase:
    """Describe the outputs of a product with a matrix.

    Args:
        matrix: (channels, depth) weights; inputs are any int8.
        bias: (channels,) with the input's zero point folded in.
        pairs: (multiplier, shift) of each channel, or one for all; a negative shift is to the right.
        requantize: the fields of kernels/requantize.h.
    """
    weights, channels = matrix.astype(np.int64), len(bias)
    least = np.minimum(weights * -128, weights * 127).sum(axis=1) + bias
    most = np.maximum(weights * -128, weights * 127).sum(axis=1) + bias
    split = np.array(pairs * channels if len(pairs) == 1 else pairs, dtype=np.int64)
    return Staircase(
        split[:, 0], -split[:, 1], requantize["output_zero_point"], requantize["output_min"], requantize["output_max"],
        least, most,
    ).without_tiny()  # fmt: skip


def levels(zero_point: int) -> tuple[Int64s, Int64s]:
    """Return the outputs j = -127..127, whose thresholds matter, and q = j - z; both (1, 255)."""
    j = np.arange(-127, 128, dtype=np.int64)[None, :]
    return j, j - zero_point


def steps(q: Int64s, n: Int64s) -> Int64s:
    """Return the least result of SRDHM that RDBP(., n) rounds to q or more."""
    return (2 * q - 1) * (np.int64(1) << (n - 1)) + (q <= 0)


def ceil_div(a: Int64s, b: Int64s) -> Int64s:
    """Return a / b, rounded up."""
    return -((-a) // b)
