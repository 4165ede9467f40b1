"""Depthwise convolution with windows of any size: four outputs of a line at a time.

Planes are widened as in depthwise.py. A word of a line, (x_2j x_2j+1), takes part in all four outputs p .. p + 3, each
time with another pair of weights, so it is loaded once and so are the pairs:

    stride 1    E_j = (w_2j w_2j+1), O_j = (w_2j-1 w_2j): output p takes E_j, p + 1 O_j, p + 2 E_j-1, p + 3 O_j-1
    stride 2    output p + t takes E_j-t

Only the E_j are in flash: PKHBT of E_j and E_j-1 makes (w_2j w_2j-1), O_j with its halves exchanged, for SMLADX. That
takes the cycles that loading O_j would, and half the flash.

    r0 scratch      r1 output       r2 the word     r4-r7 sums
    r8-r11 pairs of weights         r3 r12 free     lr the stream

For 5 taps a line costs 12 SMLAD, 4 words, 3 loads of weights and 3 PKHBT for 20 products with stride 1 (1.1 each), 12,
6 and 3 with stride 2; what four outputs cost besides is spread over all lines.
"""

from dataclasses import dataclass

import numpy as np

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant, load_constant
from harness.compiler.kernels.armv7em.depthwise import PARAMETERS, Geometry, Plan, arrange, saturate, widen
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.routine import Routine

GROUP = 4


@dataclass(frozen=True)
class WideGeometry(Geometry):
    """A plane and its scratch, for windows of any size."""

    @property
    def taps(self) -> int:
        """Return the lines that an output line reads."""
        return self.slow.taps

    @property
    def words(self) -> int:
        """Return the words of a line that four outputs read."""
        taps = self.fast.taps
        return taps // 2 + 2 if self.fast.stride == 1 else -(-taps // 2) + GROUP - 1

    @property
    def line_bytes(self) -> int:
        """Return the bytes of a line in scratch."""
        reads = (max(self.fast.out, GROUP) - GROUP) * self.fast.stride + 2 * self.words
        return 2 * max(-(-(self.fast.pad + self.fast.used) // 2) * 2, -(-reads // 2) * 2)

    @property
    def limit(self) -> int:
        """Return the offset of the farthest load."""
        return (self.slow.taps - 1) * self.line_bytes + 4 * self.words


def plan(weights: Int64s, bias: Int64s, stairs: Staircase) -> Plan | None:
    """Choose the constants of a layer and lay out its stream.

    Args:
        weights: (channels, slow taps, fast taps).
        bias: (channels,) with the input's zero point folded in.
        stairs: the outputs wanted.

    Returns:
        The plan; None where even the exact form cannot do it.
    """
    return arrange(weights, bias, stairs, _pairs) if stairs.regular else None


def _pairs(w: Int64s) -> Int64s:
    """Return (channels, words): E_0, E_1 ... of each line."""
    padded = np.pad(w, ((0, 0), (0, 0), (0, w.shape[2] % 2))) & 0xFFFF
    return np.asarray(padded[:, :, 0::2] | (padded[:, :, 1::2] << 16)).reshape(len(w), -1)


def routine(geometry: WideGeometry, plan_: Plan) -> Routine:
    """Write the routine that computes some lines of every channel.

    Blocks:
        call, channel, widen (once a line of input), line (once a line of output), group (once four outputs of it).
    """
    f = geometry.fast
    w = Writer(f"depthwise_wide_{geometry.slow.taps}x{f.taps}_{geometry.name}_{plan_.name}", PARAMETERS)
    w("push {r4-r11, lr}")
    # s0 input, s1 stream, s2 output, s3 channels left, s4 scratch, s5 where in it the first line goes, s6 lines to
    # widen, s7 lines to make, s8 s9 bias, s10 multiplier, s11 R, s12 n, s13 line, s14 output line, s15 lines left
    w("vmov s0, r0", "vmov s2, r1", "vmov s1, r2", "ldm r3, {r4-r8}")
    w("vmov s3, s4, r4, r5", "vmov s5, r6", "vmov s6, s7, r7, r8")
    with w.loop("channel", "vmov r0, s3", "subs r0, r0, #1", "vmov s3, r0"):
        w("vmov r0, s0", "add r1, r0, #1", "vmov s0, r1", "vmov r1, s5", "vmov r11, s6")
        if geometry.bordered:
            w(*load_constant("r12", geometry.zero_point))
        with w.loop("widen", "subs r11, r11, #1"):
            widen(w, geometry)
        w("vmov r2, s1", *add_constant("r2", 4 * _weight_words(geometry), "r3"))
        w("vldm r2, {s9, s10, s11, s12}" if plan_.exact else "vldm r2, {s9, s10}", "vmov.f32 s8, s9")
        w("vmov r0, s4", "vmov s13, r0", "vmov r1, s2", "vmov s14, r1", "vmov r2, s7", "vmov s15, r2")
        with w.loop("line", "vmov r2, s15", "subs r2, r2, #1", "vmov s15, r2"):
            _line(w, geometry, plan_)
        w("vmov r2, s1", *add_constant("r2", 4 * (_weight_words(geometry) + (4 if plan_.exact else 2)), "r3"))
        w("vmov s1, r2", "vmov r1, s2", f"add r1, r1, #{geometry.multiplier}", "vmov s2, r1")
    w("pop {r4-r11, pc}")
    return w.routine()


def _weight_words(geometry: WideGeometry) -> int:
    return geometry.slow.taps * -(-geometry.fast.taps // 2)


def _line(w: Writer, geometry: WideGeometry, plan_: Plan) -> None:
    f, left = geometry.fast, -geometry.fast.out % GROUP
    w("vmov r0, s13", "vmov r1, s14", f"movw r12, #{-(-f.out // GROUP)}")
    with w.loop("group", "subs r12, r12, #1"):
        if f.out > GROUP and left:
            # The last group begins where four outputs are left: some are made twice.
            w("cmp r12, #1", "bne.n 1f", *add_constant("r0", -2 * left * f.stride, "r2"))
            w(*add_constant("r1", -left * f.out_step, "r2"))
            w.label("1:")
        w("vmov r4, r5, s8, s9", "vmov r6, r7, s8, s9", "vmov lr, s1")
        for line in range(geometry.slow.taps):
            (_even_line if f.stride == 2 else _both_line)(w, geometry, line * geometry.line_bytes)
        sums = [f"r{4 + i}" for i in range(min(GROUP, f.out))]
        _requantize(w, plan_, sums)
        at = 0
        for i, register in enumerate(sums):
            if i * f.out_step - at > 4095:
                w(*add_constant("r1", i * f.out_step - at, "r3"))
                at = i * f.out_step
            w(f"strb {register}, [r1, #{i * f.out_step - at}]")
        w(*add_constant("r1", GROUP * f.out_step - at, "r3"), *add_constant("r0", 2 * GROUP * f.stride, "r3"))
    w("vmov r0, s13", *add_constant("r0", geometry.slow.stride * geometry.line_bytes, "r2"), "vmov s13, r0")
    w("vmov r1, s14", *add_constant("r1", geometry.slow.out_step, "r2"), "vmov s14, r1")


def _both_line(w: Writer, geometry: WideGeometry, offset: int) -> None:
    """Stride 1. E_j comes into r8 and r10 by turns, O_j into r9 and r11: exchanged but for the last of even taps."""
    taps = geometry.fast.taps
    even, odd = -(-taps // 2), taps // 2 + 1
    multiply = ["smladx" if j < even else "smlad" for j in range(odd)]
    for j in range(geometry.words):
        new, old = (("r8", "r9"), ("r10", "r11"))[:: 1 if j % 2 == 0 else -1]
        w(f"ldr r2, [r0, #{offset + 4 * j}]")
        if j < even:
            w(
                f"ldr {new[0]}, [lr], #4",
                f"uxth {new[1]}, {new[0]}" if j == 0 else f"pkhbt {new[1]}, {new[0]}, {old[0]}",
            )
            w(f"smlad r4, r2, {new[0]}, r4")
        elif j < odd:
            w(f"lsr {new[1]}, {old[0]}, #16")
        if j < odd:
            w(f"{multiply[j]} r5, r2, {new[1]}, r5")
        if 1 <= j <= even:
            w(f"smlad r6, r2, {old[0]}, r6")
        if 1 <= j <= odd:
            w(f"{multiply[j - 1]} r7, r2, {old[1]}, r7")


def _even_line(w: Writer, geometry: WideGeometry, offset: int) -> None:
    """Stride 2. Pairs E_j come into r8-r11 by turns."""
    even = -(-geometry.fast.taps // 2)
    for j in range(geometry.words):
        w(f"ldr r2, [r0, #{offset + 4 * j}]")
        if j < even:
            w(f"ldr r{8 + j % GROUP}, [lr], #4")
        for t in range(GROUP):
            if 0 <= j - t < even:
                w(f"smlad r{4 + t}, r2, r{8 + (j - t) % GROUP}, r{4 + t}")


def _requantize(w: Writer, plan_: Plan, sums: list[str]) -> None:
    w("vmov r8, s10")
    if plan_.exact:
        w("vmov r9, s11", "vmov r10, s12")
        for register in sums:
            w(f"add r2, r9, {register}, asr #31", f"smmlar {register}, {register}, r8, r2")
        for register in sums:
            w(f"asr {register}, {register}, r10")
            saturate(w, plan_, register, 0)
    else:
        for register in sums:
            w(f"smmulr {register}, {register}, r8")
        for register in sums:
            saturate(w, plan_, register, plan_.shift)
