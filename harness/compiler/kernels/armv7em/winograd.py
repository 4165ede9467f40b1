"""Winograd F(4x4, 3x3) in integers: 36 products for 16 outputs instead of 144, and every output exact.

With the interpolation points 0, 1, -1, 2, -2 and infinity the matrices of tiles.py are, in whole numbers,

    G = ( 6  0  0)    B = (4  0 -5  0  1  0)    A = (1  1  1  1  1  0) / 24, m1 m2 times -4
        ( 1  1  1)        (0 -4 -4  1  1  0)        (0  1 -1  2 -2  0) / 12, m1 m2 times -2
        ( 1 -1  1)        (0  4 -4 -1  1  0)        (0  1  1  4  4  0) /  6, m1 m2 times -1, m3 m4 / 4
        ( 1  2  4)        (0 -2 -1  2  1  0)        (0  1 -1  8 -8  1) /  6, m1 m2 times -1, m3 m4 / 4
        ( 1 -2  4)        (0  2 -1 -2  1  0)
        ( 0  0  6)        (0  4  0 -5  0  1)

so row i and column j of a tile come out as v = 36 y 2^s with s = 4 - e_i - e_j, e = (0, 1, 2, 2), y being the sum that
the convolution defines; with E/36 added to the bias, v = (36 y + E) 2^s. What must hold, and why it does:

    inputs   are taken as u = x + 128, 0..255, the difference goes into the bias. A word holds two of them, and B works
             on it as on the number high 2^16 + low, so that ADD, SUB and their shifts do for both; modulo 2^32 that is
             exact. To part them in the end, low must not be negative: with p and n the sums of the positive and the
             negative elements of B's rows, a value lies within -255 (p_i n_j + n_i p_j) and 255 (p_i p_j + n_i n_j),
             which is -12750..12750, but -8160..17340 for i = j = 1. 12750 is added to the inputs 4 and 5 along the
             strip, whose columns in B have the sum 1 in each row, so low is 0..30090; what that adds to the products
             is taken off the first sums.
    weights  |G w G| <= 7 * 7 * 128 = 6272.
    sums     wrap around at 32 bits, so only v must fit: 16 (36 |y| + |E|) < 2^31, by the sum of the layer's |w|.
    outputs  t = (v M + C 2^s 2^32) >> 32 (SMMLA, not SMMLAR: its rounding would not scale), t >> (N + s) is
             floor(((36 y + E) M + C 2^32) / 2^(32 + N)) whatever s. `fit` chooses M, C and E so that all thresholds of
             that staircase are those of the layer's (requantize.py). Where negative outputs are rounded the other way,
             K is added to C where v < 0; the staircase is still monotonic.
    exactly  where no constants are found or v does not fit: v times the inverse of 9 modulo 2^32 is 4 y 2^s for
             |y| < 2^25; shifted right by s + 1 it is 2 y, then the five instructions of requantize.py.

An output takes 12.6 instructions and its requantisation 2, 4 or 6.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant, load_constant
from harness.compiler.kernels.armv7em.tiles import GROUP, LANES_BYTES, OUTPUTS, Finish, Method, Tail, clamped
from harness.compiler.kernels.staircase import NEVER, Int64s, Staircase, ceil_div
from harness.compiler.routine import Routine

WINOGRAD = Method(
    name="winograd", size=4, span=6,
    weights=((6, 0, 0), (1, 1, 1), (1, -1, 1), (1, 2, 4), (1, -2, 4), (0, 0, 6)),
    inputs=(
        (4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1),
    ),
    groups=(0, 1, 2, 3, 4, 5), widen="sxtab16 {0}, lr, {0}{1}", constant=0x00800080,
    transform=(
        "sub r10, r8, r6, lsl #2", "sub r11, r7, r5, lsl #2", "sub r8, r8, r6", "sub r5, r7, r5", "sub r4, r4, r6",
        "sub r9, r9, r7", "add r4, r8, r4, lsl #2", "sub r9, r9, r5, lsl #2", "add r7, r8, r5, lsl #1",
        "sub r8, r8, r5, lsl #1", "add r5, r10, r11", "sub r6, r10, r11",
    ),
    low=12750, rows=1, bias_at=7,
)  # fmt: skip
OFFSET = 128
SCALE, CLASSES = 36, 4
"""v = 36 y 2^s, s = 0..4."""
EXPONENTS = (0, 1, 2, 2)
MAX_SHIFT = 16
"""The largest N: C 2^4 = z 2^(N + 4) must leave some headroom in 32 bits."""
EXACT_REACH = 2**25
MOST_TRIES = 512, 2**14
"""Values of c, first with more values of M, then with fewer."""
_A = (
    "add r10, r5, r6", "sub r5, r5, r6", "add r11, r7, r8", "sub r7, r7, r8", "add r4, r4, r11",
    "sub r4, r4, r10, lsl #2", "sub r6, r7, r5, lsl #1", "sub r8, r11, r10", "add r9, r9, r7, lsl #1", "sub r9, r9, r5",
)  # fmt: skip
_RESULTS = (4, 6, 8, 9)
"""Where those leave the four outputs."""


def finish(weights: Int64s, bias: Int64s, stairs: Staircase) -> Finish | None:
    """Choose how sums become outputs.

    Args:
        weights: (out_c, 3, 3, in_c).
        bias: (out_c,) with the input's zero point folded in.
        stairs: the outputs wanted.

    Returns:
        The way; None where even the exact form cannot do it.
    """
    if not stairs.regular:
        return None
    bias = SCALE * (bias - OFFSET * weights.sum(axis=(1, 2, 3)))
    signed = stairs.low < stairs.zero_point
    found = fit(stairs, signed=signed)
    if found is not None:
        shift, words, more = found
        return Finish(Tail("signed" if signed else "plain", shift, stairs.low, stairs.high), 1, bias + more, words)
    reach = np.maximum(np.abs(stairs.least), np.abs(stairs.most)).max()
    if reach >= EXACT_REACH:
        return None
    words = np.stack([stairs.multipliers, stairs.exact_addend(), stairs.shifts], axis=1)
    return Finish(Tail("exact", 0, stairs.low, stairs.high), 1, bias, words)


def fit(stairs: Staircase, *, signed: bool) -> tuple[int, Int64s, Int64s] | None:
    """Search M, C, E and, where `signed`, K, with which every threshold is right, for all channels.

    Returns:
        N, (channels, 2 or 3) M, C 2^4 and K, (channels,) E; None where a channel has none. Outputs that the
        activation's clamp would change are only right after that clamp.
    """
    shift = min(MAX_SHIFT, int(stairs.shifts[stairs.multipliers > 0].min(initial=MAX_SHIFT)) + 4)
    outputs = np.arange(stairs.low + 1, stairs.high + 1, dtype=np.int64)
    if not outputs.size:  # the clamp does it all
        return shift, np.zeros((stairs.multipliers.size, 2 + signed), dtype=np.int64), np.zeros_like(stairs.shifts)
    wanted, found = stairs.thresholds()[:, outputs + 127], []
    for channel in range(stairs.multipliers.size):
        step = _Step(outputs, wanted[channel], int(stairs.least[channel]), int(stairs.most[channel]), shift)
        m, n = int(stairs.multipliers[channel]), int(stairs.shifts[channel])
        one = next((hit for hit in map(step.solve, _tries(m, n, shift, stairs.zero_point, signed)) if hit), None)
        if one is None:
            return None
        found.append(one)
    multiplier, addend, sign, bias = np.array(found, dtype=np.int64).T
    return shift, np.stack([multiplier, addend << CLASSES, *([sign] if signed else [])], axis=1), bias


@dataclass(frozen=True)
class _Try:
    """Values of M, C and K to try together, best first."""

    multiplier: int
    addends: Int64s
    sign: int


def _tries(m: int, n: int, shift: int, zero_point: int, signed: bool) -> Iterator[_Try]:
    """Propose values: of M near m 2^(N - n + 1) / 36, of C = z 2^N + c, K = -2^(N - n).

    c moves all thresholds by the same fraction of 36 y + E, and E by whole numbers; which fraction lies between the
    closest thresholds is tried out.
    """
    exponent = shift - n + 1
    if signed and exponent < 1:
        return
    scaled = m << max(0, exponent)
    exact = (2 * scaled // (SCALE << max(0, -exponent)) + 1) // 2
    base, sign = zero_point << shift, -(1 << (shift - n)) if signed else 0
    for first in (0, *range(MOST_TRIES[0], MOST_TRIES[1], MOST_TRIES[0])):
        for delta in (0, 1, -1) if first else (0, 1, -1, 2, -2):
            yield _Try(max(0, exact + delta), base + first + np.arange(MOST_TRIES[0], dtype=np.int64), sign)


@dataclass(frozen=True)
class _Step:
    """One channel's staircase in y: output i from threshold i on."""

    outputs: Int64s
    thresholds: Int64s
    least: int
    most: int
    shift: int

    def solve(self, attempt: _Try) -> tuple[int, int, int, int] | None:
        """Return the first (M, C, K, E) of an attempt that gives every threshold, if one does."""
        m, c, wanted = attempt.multiplier, attempt.addends[:, None], self.outputs << (self.shift + 32)
        divisor = np.array(max(m, 1), dtype=np.int64)
        t = ceil_div(wanted - (c << 32), divisor)
        if attempt.sign:
            below = ceil_div(wanted - ((c + attempt.sign) << 32), divisor)
            t = np.where(below < 0, below, np.maximum(t, 0))
        # A target at or below the least reachable y only asks that that y passes; one above the most, that it fails.
        always, never = self.thresholds <= self.least, self.thresholds > self.most
        passes = np.where(never, 0, np.where(always, self.least, self.thresholds)) * SCALE
        fails = np.where(always, 0, np.where(never, self.most, self.thresholds - 1)) * SCALE
        low = np.where(never, -NEVER, t - passes).max(axis=1)
        high = np.where(always, NEVER, t - 1 - fails).min(axis=1)
        e = np.clip(0, low, high)
        reach = SCALE * max(abs(self.least), abs(self.most)) + np.abs(e)
        ok = (low <= high) & (reach << CLASSES < 2**31) & (m < 2**31)
        if not ok.any():
            return None
        first = int(ok.argmax())
        return m, int(attempt.addends[first]), attempt.sign, int(e[first])


@cache
def outputs(channels: int, tail: Tail) -> Routine:
    """Write the routine that makes the outputs of one tile from its sums.

    The sums of a channel are transformed along the columns first, then row by row, each row stored with steps of
    `channels` bytes.

    Blocks:
        call, group (once four channels), channel.
    """
    w = Writer(f"outputs_winograd_c{channels}_{tail.name}", OUTPUTS)
    # s0 sums, s1 constants, s2 row, s3 output, s4 the constants' end, s5 the end of four channels' sums, s6 K
    w("push {r4-r11, lr}", "vmov s1, r2", "vmov s2, s3, r3, r1")
    w(*add_constant("r2", (8 if tail.form == "plain" else 12) * channels, "r3"), "vmov s4, r2")
    if tail.form == "exact":
        w(*load_constant("r12", pow(9, -1, 2**32)))
    with w.loop("group", "vmov r1, s1", "vmov r2, s4", "cmp r1, r2"):
        w(f"adds r1, r0, #{4 * GROUP}", "vmov s5, r1")
        with w.loop("channel", "vmov r0, s0", "vmov r1, s5", "cmp r0, r1"):
            _down(w)
            _across(w, channels, tail)
        w(f"addw r0, r0, #{36 * LANES_BYTES - 4 * GROUP}")
    w("pop {r4-r11, pc}")
    return w.routine()


def _down(w: Writer) -> None:
    """Transform the six columns of sums at r0 into four rows on the stack."""
    w("sub sp, sp, #96")
    for j in range(6):
        w(*(f"ldr r{4 + i}, [r0, #{(6 * i + j) * LANES_BYTES}]" for i in range(6)), *_A)
        w(*(f"str r{r}, [sp, #{24 * i + 4 * j}]" for i, r in enumerate(_RESULTS)))
    w("adds r0, r0, #4", "vmov s0, r0")


def _across(w: Writer, channels: int, tail: Tail) -> None:
    """Transform the four rows, requantise and store."""
    w("vmov lr, s1")
    if tail.form == "exact":
        w("ldm lr!, {r2, r3, r10}", "vmov s1, lr", "mov lr, r10")
    elif tail.form == "signed":
        w("ldm lr!, {r2, r3, r12}", "vmov s1, lr", "vmov s6, r12")
    else:
        w("ldm lr!, {r2, r3}", "vmov s1, lr")
    w("vmov r0, r1, s2, s3", "adds r10, r1, #1", "vmov s3, r10")
    # C 2^4 is in r3; a row needs it for three values of s, in turn in r3, r12, lr
    ring = ["r3", "r12", "lr"]
    if tail.form != "exact":
        w("asr r12, r3, #1", "asr lr, r3, #2")
    for i in range(4):
        w("pop {r4-r9}", *_A)
        if tail.form != "exact" and i and EXPONENTS[i] > EXPONENTS[i - 1]:
            w(f"asr {ring[0]}, {ring[2]}, #1")
            ring = [*ring[1:], ring[0]]
        if tail.form == "signed":
            w("vmov r11, s6")
        for j, r in enumerate(_RESULTS):
            s = CLASSES - EXPONENTS[i] - EXPONENTS[j]
            addend = ring[EXPONENTS[j]]
            if tail.form == "exact":
                w(f"mul r{r}, r{r}, r12", f"asr r{r}, r{r}, #{s + 1}", f"add r10, r3, r{r}, asr #31")
                w(f"smmlar r{r}, r{r}, r2, r10", f"asr r{r}, r{r}, lr", f"ssat r{r}, #8, r{r}")
                continue
            if tail.form == "signed":
                w(f"and r10, r11, r{r}, asr #31", f"add r10, {addend}, r10" + (f", lsl #{s}" if s else ""))
                addend = "r10"
            w(f"smmla r{r}, r{r}, r2, {addend}", f"ssat r{r}, #8, r{r}, asr #{tail.shift + s}")
        w(*clamped(_RESULTS, tail))
        w(*(f"strb r{r}, [r1, #{channels * j}]" for j, r in enumerate(_RESULTS)))
        if i < 3:
            w("add r1, r1, r0")
