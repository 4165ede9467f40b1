"""Requantisation in two instructions, found by search and proven by thresholds.

What TensorFlow Lite Micro does to an accumulator x (staircase.py) the Cortex-M4 can almost do in two instructions,
v = 2^k x + D being what the register holds:

    SMMLAR t, v, M, C         t = (v M + C 2^32 + 2^31) >> 32
    SSAT   y, #8, t, ASR #N

That, too, is a staircase, with thresholds t_j = ceil((j 2^(N+32) - C 2^32 - 2^31) / M) in v. The two are equal where
every reachable threshold is: 2^k T_j + D >= t_j > 2^k (T_j - 1) + D, so D must lie in the intersection of the intervals
[t_j - 2^k T_j, t_j - 2^k T_j + 2^k - 1]. `fit` searches M near m 2^e and C for an intersection that is not empty. What
it returns is no approximation: every threshold was compared. D costs nothing, it goes into the bias.

Negative q are rounded away from zero, which moves their thresholds by one step of SRDHM. Where they can be reached (no
ReLU) two instructions seldom do, and the two steps are done as they are defined, in five:

    LSL v, v, #1; ADD u, R, v, ASR #31; SMMLAR v, v, m, u; ASR v, v, n; SSAT y, #8, v         R = (2 z + 1) 2^(n-1)

The sign is taken from x instead of from SRDHM's result: they differ where that is 0, and R - 1 and R give the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.compiler.kernels.staircase import NEVER, Int64s, Staircase, ceil_div, steps

MAX_SHIFT = 15
"""The largest N: t = y 2^N must leave some headroom in 32 bits."""
LIMIT = 2**31 - 2**24
"""Bound on |v|."""


@dataclass(frozen=True)
class Constants:
    """What the two instructions need; arrays have one value a channel.

    Attributes:
        shift: N, the same for all.
        multiplier: M.
        addend: C.
        bias: D.
    """

    shift: int
    multiplier: Int64s
    addend: Int64s
    bias: Int64s


def fit(stairs: Staircase, scale_bits: Int64s, shift: int, *, addend: bool = True, origin: int = 0) -> Constants | None:
    """Search constants with which the two instructions reproduce a staircase.

    Args:
        stairs: what to reproduce.
        scale_bits: (channels,) k.
        shift: N, at most MAX_SHIFT.
        addend: whether the kernel has a register for C; else C is 0, and M is searched more widely.
        origin: the output that the instructions shall give as 0.

    Returns:
        The constants; None where one of the channels has none. Outputs that the activation's clamp would change are
        only right after that clamp.
    """
    if stairs.low == stairs.high:  # the clamp does it all
        nothing = np.zeros_like(stairs.multipliers)
        return Constants(shift, nothing, nothing, nothing)
    outputs = np.arange(stairs.low + 1, stairs.high + 1, dtype=np.int64)
    wanted = stairs.thresholds()[:, outputs + 127]
    found = []
    for channel in range(stairs.multipliers.size):
        k = int(scale_bits[channel])
        reach = int(stairs.least[channel]), int(stairs.most[channel])
        step = _Step(outputs - origin, wanted[channel], *reach, k, shift)
        m, n = int(stairs.multipliers[channel]), int(stairs.shifts[channel])
        tries = _tries(step, m, n, stairs.zero_point - origin) if addend else _tries_without_addend(m, n, k, shift)
        one = next((hit for hit in map(step.solve, tries) if hit is not None), None)
        if one is None:
            return None
        found.append(one)
    multiplier, addends, bias = np.array(found, dtype=np.int64).T
    return Constants(shift, multiplier, addends, bias)


@dataclass(frozen=True)
class _Step:
    """One channel's staircase and the form that v = 2^k x + D has to take: level i from thresholds i on."""

    levels: Int64s
    thresholds: Int64s
    least: int
    most: int
    k: int
    shift: int

    def solve(self, attempt: "_Try") -> tuple[int, int, int] | None:
        """Return the first (M, C, D) of an attempt that gives every threshold, if one does."""
        m, c = attempt.multipliers[:, None], attempt.addends[:, None]
        t = ceil_div(self.levels * (1 << (self.shift + 32)) - c * 2**32 - 2**31, np.maximum(m, 1))
        # A target at or below the least reachable x only asks that that x passes; one above the most, that it fails.
        target, always, never = self.thresholds, self.thresholds <= self.least, self.thresholds > self.most
        passes = np.where(never, 0, np.where(always, self.least, target)) << self.k
        fails = np.where(always, 0, np.where(never, self.most, target - 1)) << self.k
        low = np.where(never, -NEVER, t - passes).max(axis=1)
        high = np.where(always, NEVER, t - 1 - fails).min(axis=1)
        d = np.where(low == -NEVER, np.minimum(high, 0), np.where(high == NEVER, np.maximum(low, 0), (low + high) // 2))
        reach = max(abs(self.least), abs(self.most)) << self.k
        ok = (low <= high) & (reach + np.abs(d) < LIMIT) & (m[:, 0] >= 0) & (m[:, 0] < 2**31)
        if not ok.any():
            return None
        first = int(ok.argmax())
        return int(m[first, 0]), int(c[first, 0]), int(d[first])


@dataclass(frozen=True)
class _Try:
    """Pairs (M, C) to try, best first."""

    multipliers: Int64s
    addends: Int64s


def _tries(step: _Step, m: int, n: int, zero_point: int) -> Iterator[_Try]:
    """Propose pairs with C = z 2^N + c.

    Multiplied out, c moves every threshold's numerator by the same residue modulo m. A threshold stays where it is as
    long as the numerator does not pass a multiple of m, so the residue must be less than the least slack, or above the
    greatest less m. Where k is large that is nearly every c; where k is 0 about one in 255.
    """
    base = zero_point << step.shift
    exact = _scaled(m, step.shift - n + 1 - step.k)
    for width in (1, 40, 300) if step.k else (1,):
        deltas = np.array(sorted(range(-width, width + 1), key=abs), dtype=np.int64)
        yield _Try(np.repeat(exact + deltas, 8), np.tile(base + np.arange(8), deltas.size))
    lost = n - 1 - step.shift + step.k  # m 2^-lost is M
    reached = (step.thresholds > step.least) & (step.thresholds <= step.most)
    if m == 0 or not 0 <= lost <= 14 or not reached.any():
        return
    slack = (step.thresholds * m - (steps(step.levels - zero_point, np.array(n)) * 2**31 - 2**30))[reached]
    c = np.arange(1 << 15, dtype=np.int64)
    residue = ((1 << (n + 30)) + 2**30 - c * (1 << (32 + lost)) - (1 << (31 + lost))) % m
    inside = np.where(residue <= slack.min(), slack.min() - residue, residue - slack.max())
    inside = np.minimum(inside, np.where(residue <= slack.min(), residue - slack.max() + m, m - residue + slack.min()))
    best = np.argsort(-inside)[:64]
    best = best[inside[best] >= 0]
    for delta in (0, 1, -1):
        if best.size:
            yield _Try(np.full(best.size, exact + delta), base + c[best])


def _tries_without_addend(m: int, n: int, k: int, shift: int) -> Iterator[_Try]:
    exact = _scaled(m, shift - n + 1 - k)
    for width in (4, 64, 1500):
        deltas = np.array(sorted(range(-width, width + 1), key=abs), dtype=np.int64)
        yield _Try(exact + deltas, np.zeros(deltas.size, dtype=np.int64))


def _scaled(m: int, exponent: int) -> int:
    """Return m 2^exponent, rounded; what does not fit 31 bits is rejected where it is tried."""
    return m << exponent if exponent >= 0 else (m + ((1 << -exponent) >> 1)) >> -exponent
