"""Pixels times channels: 1x1 and other convolutions, two pixels by four channels at a time.

Both pixels' windows are widened once to int16 and lie interleaved in a frame on the stack, (a_k a_k') (b_k b_k') ...;
then every four channels pass over it. In the inner loop

    r0 r1   a pair of each pixel            r4-r7   sums of pixel a, channels 0-3
    r2 r3   weights                         r8-r11  sums of pixel b
    r12     the frame                       lr      the stream: biases, weights, constants of four channels, of the next

    LDRD r0, r1, [r12], #8                  12 instructions for 16 products, 0.75 each; 16 cycles, 1.0 each:
    LDRD r2, r3, [lr], #8                   8 SMLAD, 2 SXTB16, and 4 words to load. With eight sums and two
    SMLAD r9, r1, r2, r9  ...               operands a product there is no ninth register for wider tiles.

A word of weights holds (w_0k, w_1k, w_0k', w_1k') for two channels, as bytes. SMLAD with the word itself takes its
halfwords w_0 + 256 w_1, which adds A + 256 B, A and B being what the two channels want; SMLAD with SXTB16 of it adds A
to the other sum. One subtraction an output leaves 256 B. (The high byte is stored less one where w_0 is negative.) So
int8 weights cost one SXTB16 for four products, half of what widening each would. It needs |256 B| < 2^31, and w_1 = -128
only beside w_0 >= 0; where a layer does not have that, both bytes are widened ("wide", 15 instructions for 16).

A 1x1 convolution reads its pixels whole before it writes them, so it may overwrite its input.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant
from harness.compiler.kernels.armv7em.gather import Step, order
from harness.compiler.kernels.armv7em.requantize import MAX_SHIFT, Constants, fit
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.routine import Routine

Loads = Literal["ldrd", "ldr", "wide"]

PARAMETERS = "const int8_t *in, int8_t *out, const int32_t *stream, const product_run *run"
FRAME_LIMIT = 4000
"""Bytes of stack for the frame at most: K <= 1000."""
MAX_OFFSET = 4095
LANE = 256
"""By how much the sums of odd channels are scaled."""


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
        clamp = [f"{'m' if v < 0 else ''}{abs(v)}" for v in (self.low, self.high) if v not in (-128, 127)]
        return "_".join([form, *(["clamp", str(self.low + 128), str(self.high + 128)] if clamp else [])])


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a layer.

    Attributes:
        loads: of the inner loop.
        tail: of its outputs.
        stream: (words,) int64, to be stored modulo 2^32.
        tiles: groups of four channels.
    """

    loads: Loads
    tail: Tail
    stream: Int64s
    tiles: int


def plan(
    matrix: NDArray[np.int8], bias: Int64s, stairs: Staircase, where: NDArray[np.int64], loads: Loads
) -> Plan | None:
    """Choose the constants of a layer and lay out its stream.

    Args:
        matrix: (channels, K) weights.
        bias: (channels,) with the input's zero point folded in.
        stairs: the outputs wanted.
        where: the order of the frame, from gather.order.
        loads: "ldrd" or "ldr" where it is free; becomes "wide" where bytes cannot share a multiplication.

    Returns:
        The plan; None where even the exact form cannot do it.
    """
    if not stairs.regular:
        return None
    channels = -(-len(bias) // 4) * 4
    matrix, bias, stairs = _pad(matrix, bias, stairs, channels)
    weights = np.where(where >= 0, matrix[:, np.maximum(where, 0)], 0).astype(np.int64)
    even, odd = weights[0::2], weights[1::2]
    reach = np.maximum(np.abs(stairs.least), np.abs(stairs.most))[1::2].max()
    if reach >= 2**23 - 2**16 or np.any(even + LANE * odd < -(2**15)):
        loads = "wide"
    bits = np.tile([0, 0 if loads == "wide" else 8], channels // 2)
    fitted = _fit(stairs, bits)
    tail = Tail(fitted is None, *(fitted[1] if fitted else (0, 0)), stairs.low, stairs.high)
    constants = fitted[0] if fitted else _exact(stairs)
    words = []
    for c in range(0, channels, 4):
        group = slice(c, c + 4)
        words.append(_biases(bias[group], constants.bias[group], loads))
        words.append(_weights(weights[group], loads))
        pairs = np.stack([constants.multiplier[group], constants.addend[group]], axis=1).ravel()
        words.append(pairs)
        if tail.exact:
            words.append(np.array([int(np.sum(stairs.shifts[group] << np.array([0, 8, 16, 24])))]))
    return Plan(loads, tail, np.concatenate(words), channels // 4)


def _pad(
    matrix: NDArray[np.int8], bias: Int64s, stairs: Staircase, channels: int
) -> tuple[NDArray[np.int8], Int64s, Staircase]:
    """Add channels without weights up to a multiple of four; their outputs are nobody's."""
    more = channels - len(bias)
    zeros = np.zeros(more, dtype=np.int64)
    padded = Staircase(
        np.concatenate([stairs.multipliers, zeros]), np.concatenate([stairs.shifts, zeros + 1]),
        stairs.zero_point, stairs.low, stairs.high,
        np.concatenate([stairs.least, zeros]), np.concatenate([stairs.most, zeros]),
    )  # fmt: skip
    return np.pad(matrix, ((0, more), (0, 0))), np.concatenate([bias, zeros]), padded


def _fit(stairs: Staircase, bits: Int64s) -> tuple[Constants, tuple[int, int]] | None:
    """Fit even and odd channels, each with the largest shift its multipliers allow."""
    used = stairs.shifts[stairs.multipliers > 0]
    least = int(used.min(initial=MAX_SHIFT + 1))
    halves = []
    for lane in (0, 1):
        part = stairs.part(slice(lane, None, 2))
        shift = min(MAX_SHIFT, least - 1 + int(bits[lane]))
        fitted = fit(part, bits[lane::2], shift)
        if fitted is None:
            return None
        halves.append(fitted)
    even, odd = halves
    join = lambda a, b: np.stack([a, b], axis=1).ravel()  # noqa: E731
    both = Constants(
        even.shift, join(even.multiplier, odd.multiplier), join(even.addend, odd.addend), join(even.bias, odd.bias)
    )
    return both, (even.shift, odd.shift)


def _exact(stairs: Staircase) -> Constants:
    return Constants(0, stairs.multipliers, stairs.exact_addend(), np.zeros_like(stairs.multipliers))


def _biases(bias: Int64s, d: Int64s, loads: Loads) -> Int64s:
    """Return the four first sums: of an odd channel that shares, A + 256 B + D, A and its D included."""
    if loads == "wide":
        return bias + d
    even = bias[0::2] + d[0::2]
    return np.stack([even, even + LANE * bias[1::2] + d[1::2]], axis=1).ravel()


def _weights(group: Int64s, loads: Loads) -> Int64s:
    """Return (K,) words of four channels: for each pair of k a word of channels 0 and 1, and one of 2 and 3."""
    even, odd = group[0::2], group[1::2]
    if loads == "wide":
        half = (even & 0xFF) | ((odd & 0xFF) << 8)
    else:
        half = (even + LANE * odd) & 0xFFFF
    words = half[:, 0::2] | (half[:, 1::2] << 16)  # (2, K / 2)
    return words.T.ravel()


def routine(name: str, loads_of_window: list[Step], plan_: Plan, *, unroll: int, stores: int = 4) -> Routine:
    """Write the routine that multiplies pairs of pixels.

    Args:
        name: of the symbol.
        loads_of_window: what to read of each pixel.
        plan_: arithmetic.
        unroll: pairs of k in one pass of the inner loop; divides K / 2.
        stores: how many of each four channels are stored: 4, or fewer for the last channels of a layer.

    Blocks:
        call, pair (once a pair of pixels), tile (once four channels), chunk (K / 2 / unroll times a tile).
    """
    w = Writer(name, PARAMETERS)
    depth = order(loads_of_window).size
    frame = 4 * depth + (4 * depth) % 8
    w("push {r4-r11, lr}", f"subw sp, sp, #{frame}")
    # s0 pixel, s1 stream, s2 pairs left, s3 step, s4 second pixel, s5 output step, s6 second output, s7 stream's end,
    # s8 frame's end, s9 output, s10 s11 outputs of both pixels
    w("vmov s0, r0", "vmov s9, r1", "vmov s1, r2", "ldm r3, {r4-r9}", "add r9, r9, r2")
    w("vmov s2, s3, r4, r5", "vmov s4, s5, r6, r7", "vmov s6, s7, r8, r9")
    chunks = depth // 2 // unroll
    if chunks > 1:
        w(f"addw r0, sp, #{4 * depth}", "vmov s8, r0")
    with w.loop("pair", "vmov r0, s2", "subs r0, r0, #1", "vmov s2, r0"):
        _fill_frame(w, loads_of_window)
        w("vmov r0, s0", "vmov r2, s3", "add r0, r0, r2", "vmov s0, r0")
        w("vmov r1, s9", "vmov r2, s6", "add r2, r2, r1", "vmov s10, s11, r1, r2")
        w("vmov r2, s5", "add r1, r1, r2", "vmov s9, r1", "vmov lr, s1")
        with w.loop("tile", "vmov r0, s7", "cmp lr, r0"):
            w("ldm lr!, {r4-r7}", "mov r12, sp")
            if chunks == 1:
                for i in range(unroll):
                    _products(w, plan_.loads, first=i == 0)
            else:
                w(*(f"mov r{8 + i}, r{4 + i}" for i in range(4)))
                with w.loop("chunk", "vmov r0, s8", "cmp r12, r0"):
                    for _ in range(unroll):
                        _products(w, plan_.loads, first=False)
            _finish(w, plan_, stores)
    w(f"addw sp, sp, #{frame}", "pop {r4-r11, pc}")
    return w.routine()


def _fill_frame(w: Writer, window: list[Step]) -> None:
    """Widen the windows of both pixels, at r0 and r12, into the frame."""
    w("vmov r0, s0", "vmov r12, s4", "add r12, r12, r0", "mov r1, sp")
    base = 0
    for step in window:
        offsets = [step.offset] if step.second is None or step.second < 0 else [step.offset, step.second]
        if max(offsets) - base > MAX_OFFSET:
            forward = min(offsets) - base
            w(*add_constant("r0", forward, "r2"), *add_constant("r12", forward, "r2"))
            base += forward
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
    """Add sixteen products: a pair of k, two pixels, four channels. The first takes the biases as what pixel b has."""
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


def _finish(w: Writer, plan_: Plan, stores: int) -> None:
    """Requantise eight sums, pack and store them."""
    tail, shared = plan_.tail, plan_.loads != "wide"
    for channel in (0, 2):
        a, b = 4 + channel, 8 + channel
        w("ldm lr!, {r0-r3}")
        if shared:
            w(f"sub r{a + 1}, r{a + 1}, r{a}", f"sub r{b + 1}, r{b + 1}, r{b}")
        if tail.exact:
            for r, m, c, double in (
                (a, "r0", "r1", "lsl #1"), (b, "r0", "r1", "lsl #1"),
                (a + 1, "r2", "r3", "asr #7" if shared else "lsl #1"), (b + 1, "r2", "r3", "asr #7" if shared else "lsl #1"),
            ):  # fmt: skip
                operation, amount = double.split()
                w(f"{operation} r{r}, r{r}, {amount}", f"add r12, {c}, r{r}, asr #31", f"smmlar r{r}, r{r}, {m}, r12")
        else:
            for r, m, c in ((a, "r0", "r1"), (b, "r0", "r1"), (a + 1, "r2", "r3"), (b + 1, "r2", "r3")):
                w(f"smmlar r{r}, r{r}, {m}, {c}")
            for r, shift in ((a, tail.shift), (b, tail.shift), (a + 1, tail.odd_shift), (b + 1, tail.odd_shift)):
                w(f"ssat r{r}, #8, r{r}" + (f", asr #{shift}" if shift else ""))
    if tail.exact:
        w("ldr r0, [lr], #4")
        for channel in range(4):
            a, b = 4 + channel, 8 + channel
            w(f"asr r{a}, r{a}, r0", f"asr r{b}, r{b}, r0", *(["lsr r0, r0, #8"] if channel < 3 else []))
            w(f"ssat r{a}, #8, r{a}", f"ssat r{b}, #8, r{b}")
    w("vmov r0, r1, s10, s11")
    for r in (4, 8):
        w(*(f"bfi r{r}, r{r + i}, #{8 * i}, #8" for i in (1, 2, 3)))
    if tail.low > -128:
        w(*replicate("r2", tail.low))
        for r in (4, 8):
            w(f"ssub8 r3, r{r}, r2", f"sel r{r}, r{r}, r2")
    if tail.high < 127:
        w(*replicate("r2", tail.high))
        for r in (4, 8):
            w(f"ssub8 r3, r2, r{r}", f"sel r{r}, r{r}, r2")
    # Pixel b first: where there is none, both point to pixel a's place.
    if stores == 4:
        w("str r8, [r1], #4", "str r4, [r0], #4", "vmov s10, s11, r0, r1")
        return
    for pointer, r in (("r1", 8), ("r0", 4)):
        for i in range(stores):
            w(f"strb r{r}, [{pointer}, #{i}]", *([f"lsr r{r}, r{r}, #8"] if i + 1 < stores else []))


def replicate(register: str, value: int) -> list[str]:
    """Return the instruction that sets all four bytes of a register."""
    return [f"mov.w {register}, #{(value & 0xFF) * 0x01010101:#x}"]
