"""Pixels times channels: 1x1 and other convolutions, two pixels by four channels at a time.

Both pixels' windows are widened once to int16 and lie interleaved in a frame (gather.py); then every four
channels pass over it. In the inner loop

    r0 r1   a pair of each pixel            r4-r7   sums of the first pixel, channels 0-3
    r2 r3   weights                         r8-r11  sums of the second
    r12     the frame                       lr      the stream: first sums, weights, constants of four channels, ...

    LDRD r0, r1, [r12], #8                  12 instructions for 16 products, 0.75 each; 16 cycles, 1.0 each:
    LDRD r2, r3, [lr], #8                   8 SMLAD, 2 SXTB16, and 4 words to load. With eight sums and two
    SMLAD r9, r1, r2, r9  ...               operands a product there is no ninth register for wider tiles.

A word of weights holds (w_0k, w_1k, w_0k', w_1k') for two channels, as bytes. SMLAD with the word itself takes its
halfwords w_0 + 256 w_1, which adds A + 256 B, A and B being what the two channels want; SMLAD with SXTB16 of it adds A
to the other sum. One subtraction an output leaves 256 B. (The high byte is stored less one where w_0 is negative.) So
int8 weights cost one SXTB16 for four products, half of what widening each would. It needs |256 B| < 2^31, and
w_1 = -128 only beside w_0 >= 0; where a layer does not have that, both bytes are widened ("wide", 15 for 16).

A 1x1 convolution reads its pixels whole before it writes them, so it may overwrite its input.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant
from harness.compiler.kernels.armv7em.gather import Gather
from harness.compiler.kernels.armv7em.requantize import MAX_SHIFT, Constants, fit
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.routine import Routine

Loads = Literal["ldrd", "ldr", "wide"]

PARAMETERS = "const int8_t *in, int8_t *out, const int32_t *stream, const product_run *run, int8_t *frame"
FRAME_LIMIT = 32768
"""Bytes of the frame at most: K <= 8192."""
MAX_OFFSET = 4095
LANE = 256
"""By how much the sums of odd channels are scaled."""
COMMON_SHIFT = 5
"""The shift that is tried first: layers with the same shift share a routine, and few need a larger one."""


@dataclass(frozen=True)
class Tail:
    """How sums become outputs.

    Attributes:
        exact: the five instructions of requantize.py instead of the two.
        shift: N of the even channels; 0 where exact.
        odd_shift: N of the odd channels, whose sums are scaled by 256 unless the loads are "wide".
        low: least output: -128, or what the activation asks.
        high: greatest output.
    """

    exact: bool
    shift: int
    odd_shift: int
    low: int
    high: int

    @property
    def name(self) -> str:
        """Return a part of the routine's name."""
        form = "exact" if self.exact else f"{self.shift}_{self.odd_shift}"
        return form + (f"_clamp_{self.low + 128}_{self.high + 128}" if (self.low, self.high) != (-128, 127) else "")


@dataclass(frozen=True)
class Arithmetic:
    """The constants of some channels, a multiple of four.

    Attributes:
        shared: whether two channels share a multiplication; else both bytes of a weight are widened.
        tail: how sums become outputs.
        matrix: (channels, K) weights.
        first_sums: (channels,) what the sums begin with.
        constants: M and C, or m and R.
        shifts: (channels,) n.
    """

    shared: bool
    tail: Tail
    matrix: Int64s
    first_sums: Int64s
    constants: Constants
    shifts: Int64s

    @property
    def tiles(self) -> int:
        """Return the groups of four channels."""
        return len(self.matrix) // 4


def arithmetic(matrix: NDArray[np.int8], bias: Int64s, stairs: Staircase, *, share: bool = True) -> Arithmetic | None:
    """Choose the constants of some channels.

    Args:
        matrix: (channels, K) weights.
        bias: (channels,) with the input's zero point folded in.
        stairs: the outputs wanted.
        share: whether two channels may share a multiplication, where they can.

    Returns:
        The arithmetic, channels without weights added up to a multiple of four; None where even the exact form cannot
        do it.
    """
    if not stairs.regular:
        return None
    weights, bias, stairs = _pad(matrix.astype(np.int64), bias, stairs)
    reach = np.maximum(np.abs(stairs.least), np.abs(stairs.most))[1::2].max()
    shared = bool(share and reach < 2**23 - 2**16 and np.all(weights[0::2] + LANE * weights[1::2] >= -(2**15)))
    bits = np.tile([0, 8 if shared else 0], len(weights) // 2)
    fitted = _fit(stairs, bits)
    if fitted is None:
        constants = Constants(0, stairs.multipliers, stairs.exact_addend(), np.zeros_like(bias))
        tail = Tail(True, 0, 0, stairs.low, stairs.high)
    else:
        constants, tail = fitted
    sums = bias + constants.bias
    if shared:
        sums[1::2] = sums[0::2] + LANE * bias[1::2] + constants.bias[1::2]
    return Arithmetic(shared, tail, weights, sums, constants, stairs.shifts)


def _pad(matrix: Int64s, bias: Int64s, stairs: Staircase) -> tuple[Int64s, Int64s, Staircase]:
    """Add channels without weights up to a multiple of four; their outputs are nobody's."""
    more = -len(bias) % 4
    zeros = np.zeros(more, dtype=np.int64)
    padded = Staircase(
        np.concatenate([stairs.multipliers, zeros]), np.concatenate([stairs.shifts, zeros + 1]),
        stairs.zero_point, stairs.low, stairs.high,
        np.concatenate([stairs.least, zeros]), np.concatenate([stairs.most, zeros]),
    )  # fmt: skip
    return np.pad(matrix, ((0, more), (0, 0))), np.concatenate([bias, zeros]), padded


def _fit(stairs: Staircase, bits: Int64s) -> tuple[Constants, Tail] | None:
    """Fit even and odd channels, with the common shift if that works, else with the largest their multipliers allow."""
    least = int(stairs.shifts[stairs.multipliers > 0].min(initial=MAX_SHIFT + 1)) - 1
    for shift in dict.fromkeys((min(COMMON_SHIFT, least), least)):
        lanes = [
            fit(stairs.part(slice(lane, None, 2)), bits[lane::2], min(MAX_SHIFT, shift + int(bits[lane])))
            for lane in (0, 1)
        ]
        even, odd = lanes
        if even is not None and odd is not None:
            both = Constants(
                even.shift, weave(even.multiplier, odd.multiplier), weave(even.addend, odd.addend),
                weave(even.bias, odd.bias),
            )  # fmt: skip
            return both, Tail(False, even.shift, odd.shift, stairs.low, stairs.high)
    return None


def weave(even: Int64s, odd: Int64s) -> Int64s:
    """Return the values of even and odd channels in the order of the channels."""
    return np.stack([even, odd], axis=1).ravel()


def stream(a: Arithmetic, order: NDArray[np.int64]) -> Int64s:
    """Lay out first sums, weights and constants as the routine reads them: words, to be stored modulo 2^32.

    Args:
        a: the channels.
        order: of the frame, from gather.py.
    """
    weights = np.where(order >= 0, a.matrix[:, np.maximum(order, 0)], 0)
    even, odd = weights[0::2], weights[1::2]
    half = (even + LANE * odd) & 0xFFFF if a.shared else (even & 0xFF) | ((odd & 0xFF) << 8)
    pairs = half[:, 0::2] | (half[:, 1::2] << 16)  # (channels / 2, K / 2)
    tiles = a.tiles
    parts = [
        a.first_sums.reshape(tiles, 4),
        pairs.reshape(tiles, 2, -1).transpose(0, 2, 1).reshape(tiles, -1),
        np.stack([a.constants.multiplier, a.constants.addend], axis=1).reshape(tiles, 8),
    ]
    if a.tail.exact:
        parts.append((a.shifts.reshape(tiles, 4) << np.array([0, 8, 16, 24])).sum(axis=1, keepdims=True))
    return np.concatenate(parts, axis=1).ravel()


@cache
def routine(gather: Gather, depth: int, unroll: int, loads: Loads, tail: Tail, stores: int) -> Routine:
    """Write the routine that multiplies pairs of pixels.

    Args:
        gather: how to fill the frame.
        depth: K, even; 0 for any multiple of 2 * unroll.
        unroll: pairs of k in one pass of the inner loop: K / 2, or with `depth` 0 a divisor of it.
        loads: of the inner loop.
        tail: how sums become outputs.
        stores: how many of each four channels are stored: 4, or fewer for the last channels of a layer.

    Blocks:
        call, pair (once a pair of pixels), tile (once four channels of it), chunk (once a pass of the inner loop, where
        `depth` is 0), row and group (of the gather, once a pair; not for "steps").
    """
    geometry = gather.name if gather.kind != "steps" else f"steps{abs(hash_of(gather)):x}"
    size = f"k{depth}" if depth else f"u{unroll}"
    name = f"product_{geometry}_{size}_{loads}_{tail.name}" + ("" if stores == 4 else f"_store{stores}")
    w = Writer(name, PARAMETERS)
    # s0 pixel, s1 stream, s2 pairs left, s3 step, s4 second pixel, s5 output step, s6 second output, s7 stream's end,
    # s8 frame's end, s9 output, s10 s11 outputs of both pixels, s12 rows, s13 groups, s14 skip, s15 frame
    w("push {r4-r11, lr}", "vmov s0, r0", "vmov s9, r1", "vmov s1, r2", "ldm r3!, {r4-r9}", "add r9, r9, r2")
    w("vmov s2, s3, r4, r5", "vmov s4, s5, r6, r7", "vmov s6, s7, r8, r9", "vldm r3, {s12-s15}")
    w("vmov r0, s15", "ldr r1, [sp, #36]", "vmov s15, r1", "add r0, r0, r1", "vmov s8, r0")
    if gather.kind == "columns":  # s16 rows left, s17 bytes from a column to the next
        w("ldr r1, [r3, #16]", "vpush {s16, s17}", "vmov s17, r1")
    with w.loop("pair", "vmov r0, s2", "subs r0, r0, #1", "vmov s2, r0"):
        w("vmov r0, s0", "vmov r12, s4", "add r12, r12, r0", "vmov r1, s15")
        {"rows": _fill_rows, "columns": _fill_columns, "steps": _fill_steps}[gather.kind](w, gather)
        w("vmov r0, s0", "vmov r2, s3", "add r0, r0, r2", "vmov s0, r0")
        w("vmov r1, s9", "vmov r2, s6", "add r2, r2, r1", "vmov s10, s11, r1, r2")
        w("vmov r2, s5", "add r1, r1, r2", "vmov s9, r1", "vmov lr, s1")
        with w.loop("tile", "vmov r0, s7", "cmp lr, r0"):
            w("ldm lr!, {r4-r7}", "vmov r12, s15")
            if depth:
                for i in range(unroll):
                    _products(w, loads, first=i == 0)
            else:
                w(*(f"mov r{8 + i}, r{4 + i}" for i in range(4)))
                with w.loop("chunk", "vmov r0, s8", "cmp r12, r0"):
                    for _ in range(unroll):
                        _products(w, loads, first=False)
            _finish(w, loads, tail, stores)
    w(*(["vpop {s16, s17}"] if gather.kind == "columns" else []), "pop {r4-r11, pc}")
    return w.routine()


def hash_of(gather: Gather) -> int:
    """Return a number that tells geometries written out apart, the same in every run."""
    value = 0
    for step in gather.steps:
        value = (value * 31 + step.offset * 7 + (step.second or 0) + (3 if step.second is None else 5)) % 0xFFFFFF
    return value


def _fill_rows(w: Writer, gather: Gather) -> None:
    w("vmov r10, s12")
    with w.loop("row", "subs r10, r10, #1"):
        w("vmov r11, s13")
        with w.loop("group", "subs r11, r11, #1"):
            for _ in range(gather.words):
                w("ldr r2, [r0], #4", "ldr r3, [r12], #4", "sxtb16 r4, r2", "sxtb16 r5, r3")
                w("sxtb16 r6, r2, ror #8", "sxtb16 r7, r3, ror #8", "stm r1!, {r4-r7}")
        w("vmov r2, s14", "add r0, r0, r2", "add r12, r12, r2")


def _fill_columns(w: Writer, gather: Gather) -> None:
    """Read four columns, at r0, r12, r10 and r11."""
    w("vmov.f32 s16, s12")
    with w.loop("row", "vmov r2, s16", "subs r2, r2, #1", "vmov s16, r2"):
        w("vmov r2, s17", "add r12, r0, r2", "add r10, r12, r2", "add r11, r10, r2", "vmov lr, s13")
        with w.loop("group", "subs lr, lr, #1"):
            for _ in range(gather.words):
                w("ldr r2, [r0], #4", "ldr r6, [r12], #4", "ldr r7, [r10], #4", "ldr r8, [r11], #4")
                w("sxtb16 r3, r6", "sxtb16 r4, r7", "sxtb16 r5, r8")
                w("sxtb16 r9, r8, ror #8", "sxtb16 r8, r7, ror #8", "sxtb16 r7, r6, ror #8")
                w("sxtb16 r6, r2, ror #8", "sxtb16 r2, r2")
                # Even halves of the columns are now in r2-r5, odd halves in r6-r9.
                w(*(f"stm r1!, {{r{i}, r{i + 1}, r{i + 4}, r{i + 5}}}" for i in (2, 3, 4)))
        w("vmov r2, s14", "add r0, r0, r2")


def _fill_steps(w: Writer, gather: Gather) -> None:
    base = 0
    for step in gather.steps:
        offsets = [step.offset] if step.second is None or step.second < 0 else [step.offset, step.second]
        if max(offsets) - base > MAX_OFFSET or min(offsets) < base:
            moved = min(offsets) - base
            w(*add_constant("r0", moved, "r2"), *add_constant("r12", moved, "r2"))
            base += moved
        a = step.offset - base
        if step.second is None:
            w(f"ldr r2, [r0, #{a}]", f"ldr r3, [r12, #{a}]", "sxtb16 r4, r2", "sxtb16 r5, r3")
            w("sxtb16 r6, r2, ror #8", "sxtb16 r7, r3, ror #8", "stm r1!, {r4-r7}")
        elif step.second >= 0:
            b = step.second - base
            w(f"ldrsb r2, [r0, #{a}]", f"ldrsb r3, [r12, #{a}]", f"ldrsb r4, [r0, #{b}]", f"ldrsb r5, [r12, #{b}]")
            w("pkhbt r2, r2, r4, lsl #16", "pkhbt r3, r3, r5, lsl #16", "stm r1!, {r2, r3}")
        else:
            w(f"ldrsb r2, [r0, #{a}]", f"ldrsb r3, [r12, #{a}]", "uxth r2, r2", "uxth r3, r3", "stm r1!, {r2, r3}")


def _products(w: Writer, loads: Loads, *, first: bool) -> None:
    """Add sixteen products: a pair of k, two pixels, four channels. The first takes the first pixel's sums for both."""
    if loads == "ldr":
        w("ldr r0, [r12], #4", "ldr r1, [r12], #4", "ldr r2, [lr], #4", "ldr r3, [lr], #4")
    elif loads == "ldrd":
        w("ldrd r0, r1, [r12], #8", "ldrd r2, r3, [lr], #8")
    else:
        w("ldrd r0, r1, [r12], #8")

    def add(weights: str, channel: int) -> None:
        w(f"smlad r{8 + channel}, r1, {weights}, r{(4 if first else 8) + channel}")
        w(f"smlad r{4 + channel}, r0, {weights}, r{4 + channel}")

    for register, channel in (("r2", 0), ("r3", 2)):
        if loads == "wide":
            w("ldr r2, [lr], #4", "sxtb16 r3, r2, ror #8", "sxtb16 r2, r2")
            add("r3", channel + 1)
            add("r2", channel)
        else:
            add(register, channel + 1)
            w(f"sxtb16 {register}, {register}")
            add(register, channel)


def _finish(w: Writer, loads: Loads, tail: Tail, stores: int) -> None:
    """Requantise eight sums, pack and store them."""
    shared = loads != "wide"
    for channel in (0, 2):
        a, b = 4 + channel, 8 + channel
        w("ldm lr!, {r0-r3}")
        if shared:
            w(f"sub r{a + 1}, r{a + 1}, r{a}", f"sub r{b + 1}, r{b + 1}, r{b}")
        lanes = [(a, "r0", "r1"), (b, "r0", "r1"), (a + 1, "r2", "r3"), (b + 1, "r2", "r3")]
        if tail.exact:
            for r, m, addend in lanes:
                doubled = f"asr r{r}, r{r}, #7" if shared and r % 2 else f"lsl r{r}, r{r}, #1"
                w(doubled, f"add r12, {addend}, r{r}, asr #31", f"smmlar r{r}, r{r}, {m}, r12")
        else:
            w(*(f"smmlar r{r}, r{r}, {m}, {addend}" for r, m, addend in lanes))
            w(*(saturate(r, tail.odd_shift if r % 2 else tail.shift) for r, _, _ in lanes))
    if tail.exact:
        w("ldr r0, [lr], #4")
        for channel in range(4):
            a, b = 4 + channel, 8 + channel
            w(f"asr r{a}, r{a}, r0", f"asr r{b}, r{b}, r0", *(["lsr r0, r0, #8"] if channel < 3 else []))
            w(saturate(a, 0), saturate(b, 0))
    w("vmov r0, r1, s10, s11")
    for r in (4, 8):
        w(*pack(r))
    w(*clamp((4, 8), tail.low, tail.high))
    # The second pixel first: where there is none, both point to the first one's place.
    if stores == 4:
        w("str r8, [r1], #4", "str r4, [r0], #4", "vmov s10, s11, r0, r1")
        return
    for pointer, r in (("r1", 8), ("r0", 4)):
        for i in range(stores):
            w(f"strb r{r}, [{pointer}, #{i}]", *([f"lsr r{r}, r{r}, #8"] if i + 1 < stores else []))


def saturate(register: int, shift: int) -> str:
    """Return the instruction that shifts a register to the right and clamps it to int8."""
    return f"ssat r{register}, #8, r{register}" + (f", asr #{shift}" if shift else "")


def pack(first: int) -> list[str]:
    """Return instructions that pack the low bytes of four registers into the first."""
    return [f"bfi r{first}, r{first + i}, #{8 * i}, #8" for i in (1, 2, 3)]


def clamp(registers: tuple[int, ...], low: int, high: int) -> list[str]:
    """Return instructions that clamp four bytes in each register; r2 and r3 are overwritten where there is need."""
    lines = []
    if low > -128:
        lines.append(_replicate(low))
        for r in registers:
            lines += [f"ssub8 r3, r{r}, r2", f"sel r{r}, r{r}, r2"]
    if high < 127:
        lines.append(_replicate(high))
        for r in registers:
            lines += [f"ssub8 r3, r2, r{r}", f"sel r{r}, r{r}, r2"]
    return lines


def _replicate(value: int) -> str:
    return f"mov.w r2, #{(value & 0xFF) * 0x01010101:#x}"
