"""3x3 windows with stride 2 as four phases: 25 products for 4 outputs instead of 36, and every output exact.

Along an axis the outputs y0 = w0 x0 + w1 x1 + w2 x2 and y1 = w0 x2 + w1 x3 + w2 x4 share an input. The even phase is a
window of two, for which Winograd F(2, 2) takes three products, the odd phase needs two:

    y0 = w0 (x0 - x2) + w1 x1 + (w0 + w2) x2                    parts x0 - x2, x1, x2, x3, x4 - x2
    y1 =                        (w0 + w2) x2 + w1 x3 + w2 (x4 - x2)

The first two parts go into y0 alone and the last two into y1 alone, so they share a sum: three sums along an axis, nine
in the plane, and each output is the sum of four of them. Values are differences of differences of int8 and lie within
510, transformed weights within 4 * 128, times 2^k within 2^14: everything fits int16, halves do not mix (SSUB16), and
the outputs are 2^k y + D, requantised as in requantize.py.

An output takes 7 instructions and its requantisation 2 or 4.
"""

from functools import cache

import numpy as np

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant
from harness.compiler.kernels.armv7em.product import saturate
from harness.compiler.kernels.armv7em.requantize import MAX_SHIFT, fit
from harness.compiler.kernels.armv7em.tiles import GROUP, LANES_BYTES, OUTPUTS, Finish, Method, Tail, clamped
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.routine import Routine

POLYPHASE = Method(
    name="polyphase", size=2, span=5,
    weights=((1, 0, 0), (0, 1, 0), (1, 0, 1), (0, 1, 0), (0, 0, 1)),
    inputs=((1, 0, -1, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, -1, 0, 1)),
    groups=(0, 0, 1, 2, 2), widen="sxtb16 {0}, {0}{1}", constant=None,
    transform=("ssub16 r4, r4, r6", "ssub16 r8, r8, r6"),
    low=0, rows=5, bias_at=4,
)  # fmt: skip
SCALE_BITS = (0, 5)
"""k, in the order they are tried: the most constants, or the widest tolerance."""
_RESULTS = (4, 6, 7, 9)
"""Where the four outputs are in the end."""


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
    least = int(stairs.shifts[stairs.multipliers > 0].min(initial=MAX_SHIFT))
    for k in SCALE_BITS:
        found = fit(stairs, np.full(len(bias), k), min(MAX_SHIFT, least - 1 + k))
        if found is not None:
            words = np.stack([found.multiplier, found.addend], axis=1)
            return Finish(Tail("plain", found.shift, stairs.low, stairs.high), 1 << k, (bias << k) + found.bias, words)
    words = np.stack([stairs.multipliers, stairs.exact_addend(), stairs.shifts], axis=1)
    return Finish(Tail("exact", 0, stairs.low, stairs.high), 2, bias << 1, words)


@cache
def outputs(channels: int, tail: Tail) -> Routine:
    """Write the routine that makes the outputs of one tile from its sums.

    Blocks:
        call, group (once four channels), channel.
    """
    w = Writer(f"outputs_polyphase_c{channels}_{tail.name}", OUTPUTS)
    # r0 sums, r1 output, r2 constants, r3 the second row of outputs
    # s0 sums, s1 output, s2 second row, s3 the constants' end, s4 the end of four channels' sums
    exact = tail.form == "exact"
    w("push {r4-r11, lr}", "add r3, r3, r1", "mov lr, r2")
    w(*add_constant("lr", (12 if exact else 8) * channels, "r4"), "vmov s3, lr")
    with w.loop("group", "vmov lr, s3", "cmp r2, lr"):
        w(f"add lr, r0, #{4 * GROUP}", "vmov s4, lr")
        with w.loop("channel", "vmov lr, s4", "cmp r0, lr"):
            w(*(f"ldr r{4 + i}, [r0, #{i * LANES_BYTES}]" for i in range(1, 9)), "ldr r4, [r0], #4")
            for i in (4, 7, 10):
                w(f"add r{i}, r{i}, r{i + 1}", f"add r{i + 2}, r{i + 2}, r{i + 1}")
            w("add r4, r4, r7", "add r6, r6, r9", "add r7, r7, r10", "add r9, r9, r12")
            if exact:
                w("ldm r2!, {r5, r8, r10}")
                for r in _RESULTS:
                    w(f"add r11, r8, r{r}, asr #31", f"smmlar r{r}, r{r}, r5, r11")
                    w(f"asr r{r}, r{r}, r10", saturate(r, 0))
            else:
                w("ldm r2!, {r5, r8}", *(f"smmlar r{r}, r{r}, r5, r8" for r in _RESULTS))
                w(*(saturate(r, tail.shift) for r in _RESULTS))
            w(*clamped(_RESULTS, tail), f"strb r6, [r1, #{channels}]", "strb r4, [r1], #1")
            w(f"strb r9, [r3, #{channels}]", "strb r7, [r3], #1")
        w(f"addw r0, r0, #{9 * LANES_BYTES - 4 * GROUP}")
    w("pop {r4-r11, pc}")
    return w.routine()
