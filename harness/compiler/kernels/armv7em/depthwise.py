"""Depthwise convolution with windows up to 3x3: one channel's plane at a time, its weights in registers.

A plane is widened to int16 in scratch, with its border around it, so that the loop meets no border. Lines of the plane
run along the axis that makes the loop longer ("fast"). Of three lines two outputs are made at once:

    r4-r9   weights, two registers a line: (w0 w1), (w1 w2)      r10 r11  sums of outputs p and p + 1
    r2 r3 r12 lr   of each line (x_p x_p+1); the fourth receives (x_p+2 x_p+3) and takes the place of the first
    r0      scratch          r1  output

    LDR lr, [r0, #..]           a line costs 5 instructions for 6 products, 15 for 18; the two outputs then
    SMLAD  r10, r2, r4, r10     VMOV twice, SMMULR, SSAT and STRB twice each: 23 in all, 1.28 a product. Every
    SMLATB r11, r2, r4, r11     element is loaded once a line; without a register to spare, a third output at
    SMLABT r10, lr, r5, r10     once is impossible.
    SMLAD  r11, lr, r5, r11

Weights are scaled by 2^k, so no constant C is needed beside the multiplier (requantize.py). With stride 2 an output
takes LDR, SMLAD, SMLABT a line: 1.44 a product.

For k = 8, which nearly every layer gets, a line of weights is one word in flash, bytes (w1 w0 w2 w1) from the lowest:
AND with 0xff00ff00 leaves the halfwords (256 w0, 256 w1), and of the word shifted by 8 bits (256 w1, 256 w2). That is
half the flash for seven instructions a channel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant, load_constant
from harness.compiler.kernels.armv7em.requantize import MAX_SHIFT, fit
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.routine import Routine

PARAMETERS = "const int8_t *in, int8_t *out, const int32_t *stream, const depthwise_run *run"
TAPS = 3
UNROLL = 24
"""Outputs of a line written out at most; a longer line is a loop."""
LOOP = 8
"""Outputs in one pass of that loop: the registers of a line rotate with a period of 4 loads."""
MAX_OFFSET = 4095
BYTE = 8
"""The scale k for which weights are packed."""
COMMON_SHIFT = 12
"""The shift that is tried first: layers with the same can share a routine."""


@dataclass(frozen=True)
class Axis:
    """One axis of a plane.

    Attributes:
        size: input elements.
        out: outputs.
        taps: of the window.
        stride: of the window.
        pad: before the first element.
        step: bytes from an input element to the next.
        out_step: bytes from an output to the next.
    """

    size: int
    out: int
    taps: int
    stride: int
    pad: int
    step: int
    out_step: int

    @property
    def used(self) -> int:
        """Return how many input elements any window reads."""
        return max(0, min(self.size, (self.out - 1) * self.stride + self.taps - self.pad))


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a layer.

    Attributes:
        exact: the five instructions instead of the two.
        shift: N; 0 where exact.
        low: least output.
        high: greatest output.
        stream: words of all channels.
        packed: whether a line of weights is one word.
    """

    exact: bool
    shift: int
    low: int
    high: int
    stream: Int64s
    packed: bool = False

    @property
    def name(self) -> str:
        """Return a part of the routine's name."""
        clamp = f"_clamp_{self.low + 128}_{self.high + 128}" if (self.low, self.high) != (-128, 127) else ""
        return ("exact" if self.exact else str(self.shift)) + ("_packed" if self.packed else "") + clamp


def plan(weights: Int64s, bias: Int64s, stairs: Staircase) -> Plan | None:
    """Choose the constants of a layer and lay out its stream.

    Args:
        weights: (channels, slow taps, fast taps), both at most 3.
        bias: (channels,) with the input's zero point folded in.
        stairs: the outputs wanted.

    Returns:
        The plan: a channel has three or six words of weights, its bias and multiplier, and where exact R and n. None
        where even the exact form cannot do it.
    """
    if not stairs.regular:
        return None
    w = np.zeros((len(bias), TAPS, TAPS), dtype=np.int64)
    w[:, : weights.shape[1], : weights.shape[2]] = weights
    return arrange(w, bias, stairs, _words, _packed)


def arrange(
    w: Int64s,
    bias: Int64s,
    stairs: Staircase,
    words: Callable[[Int64s], Int64s],
    packed: Callable[[Int64s], Int64s] | None = None,
) -> Plan:
    """Scale the weights, choose the constants that go with that, and put both into a stream.

    Args:
        w: (channels, slow taps, fast taps).
        bias: (channels,).
        stairs: the outputs wanted; regular.
        words: from scaled weights to (channels, words).
        packed: the same from weights that the routine scales by 256 itself; None where it does not.
    """
    least = int(stairs.shifts[stairs.multipliers > 0].min(initial=MAX_SHIFT + 1))
    origin = stairs.low if stairs.clamped else 0
    tries = [(8, min(COMMON_SHIFT, least + 7)), *((k, min(MAX_SHIFT, least + k - 1)) for k in (8, 7, 6, 5, 4))]
    for k, shift in dict.fromkeys(tries):
        fitted = fit(stairs, np.full(len(bias), k), shift, addend=False, origin=origin)
        if fitted is not None:
            constants = np.stack([(bias << k) + fitted.bias, fitted.multiplier], axis=1)
            weights = packed(w) if packed and k == BYTE else words(w << k)
            stream = np.concatenate([weights, constants], axis=1).ravel()
            return Plan(False, shift, stairs.low, stairs.high, stream, packed is not None and k == BYTE)
    constants = np.stack([bias << 1, stairs.multipliers, stairs.exact_addend(origin), stairs.shifts], axis=1)
    stream = np.concatenate([words(w << 1), constants], axis=1).ravel()
    return Plan(True, 0, stairs.low, stairs.high, stream)


def _packed(w: Int64s) -> Int64s:
    """Return (channels, lines) words, bytes (w1 w0 w2 w1) from the lowest."""
    first, second, third = (w[:, :, i] & 0xFF for i in range(TAPS))
    return second | (first << 8) | (third << 16) | (second << 24)


def _words(w: Int64s) -> Int64s:
    pairs = np.stack([w[:, :, 0:2], w[:, :, 1:3]], axis=2) & 0xFFFF  # (channels, line, (w0 w1) or (w1 w2), 2)
    return (pairs[..., 0] | (pairs[..., 1] << 16)).reshape(len(w), -1)


@dataclass(frozen=True)
class Geometry:
    """A plane and its scratch.

    Attributes:
        fast: along the lines.
        slow: across them.
        zero_point: of the input, what the border holds.
        multiplier: outputs of an input channel; a routine makes one of them, the next channel's lies so far behind.
    """

    fast: Axis
    slow: Axis
    zero_point: int
    multiplier: int

    @property
    def taps(self) -> int:
        """Return the lines that an output line reads: always three, those that the window has not with weights of 0."""
        return TAPS

    @property
    def limit(self) -> int:
        """Return the offset of the farthest load."""
        return (TAPS - 1) * self.line_bytes + 2 * LOOP * self.fast.stride + 2 * UNROLL * self.fast.stride + 4

    @property
    def line_bytes(self) -> int:
        """Return the bytes of a line in scratch: its border, its elements, and what the last loads read beyond."""
        pairs = -(-self.fast.out // 2) * 2
        reads = pairs + 2 if self.fast.stride == 1 else 2 * self.fast.out + 2
        return 2 * max(-(-(self.fast.pad + self.fast.used) // 2) * 2, reads)

    @property
    def name(self) -> str:
        """Return a part of the routine's name."""
        f, s = self.fast, self.slow
        steps = f"{f.step}_{s.step}_{f.out_step}_{s.out_step}"
        border = f"_z{self.zero_point + 128}" if self.bordered else ""
        times = f"_m{self.multiplier}" if self.multiplier > 1 else ""
        return f"{f.used}p{f.pad}to{f.out}s{f.stride}x{s.stride}_{steps}{times}{border}"

    @property
    def bordered(self) -> bool:
        """Tell whether a word of scratch holds an element beside its border."""
        return self.fast.pad % 2 == 1 or (self.fast.pad + self.fast.used) % 2 == 1


def routine(geometry: Geometry, plan_: Plan) -> Routine:
    """Write the routine that computes some lines of every channel.

    Blocks:
        call, channel, widen (once a line of input), line (once a line of output), group (inside a long line).
    """
    w = Writer(f"depthwise_{geometry.name}_{plan_.name}", PARAMETERS)
    looped = geometry.fast.out > UNROLL
    w("push {r4-r11, lr}", *(["vpush {s16}"] if looped else []))
    # s0 input, s1 stream, s2 output, s3 channels left, s4 scratch, s5 where in it the first line goes,
    # s6 lines to widen, s7 lines to make, s15 lines left, s16 the loop's end in a long line
    w("vmov s0, r0", "vmov s2, r1", "vmov s1, r2", "ldm r3, {r4-r8}")
    w("vmov s3, s4, r4, r5", "vmov s5, r6", "vmov s6, s7, r7, r8")
    with w.loop("channel", "vmov r0, s3", "subs r0, r0, #1", "vmov s3, r0"):
        w("vmov r0, s0", "add r1, r0, #1", "vmov s0, r1", "vmov r1, s5", "vmov r11, s6")
        if geometry.bordered:
            w(*load_constant("r12", geometry.zero_point))
        with w.loop("widen", "subs r11, r11, #1"):
            widen(w, geometry)
        _load_weights(w, plan_)
        # s8 bias, s9 the same (both sums start with one VMOV), s10 multiplier, s11 R, s14 n
        w("vldm r2!, {s9, s10}" if not plan_.exact else "vldm r2!, {s9, s10, s11, s12}")
        w("vmov s1, r2", "vmov.f32 s8, s9")
        if plan_.exact:
            w("vmov.f32 s14, s12")
        w(
            "vmov r1, s2",
            f"add r0, r1, #{geometry.multiplier}",
            "vmov s2, r0",
            "vmov r0, s4",
            "vmov r2, s7",
            "vmov s15, r2",
        )
        with w.loop("line", "vmov r2, s15", "subs r2, r2, #1", "vmov s15, r2"):
            _line(w, geometry, plan_)
    w(*(["vpop {s16}"] if looped else []), "pop {r4-r11, pc}")
    return w.routine()


def _load_weights(w: Writer, plan_: Plan) -> None:
    """Load the six pairs of a channel; r2 then points behind its weights."""
    if not plan_.packed:
        w("vmov r2, s1", "ldm r2!, {r4-r9}")
        return
    w("vmov r2, s1", "ldm r2!, {r4, r6, r8}", "mov.w r3, #0xff00ff00")
    for r in (4, 6, 8):
        w(f"and r{r + 1}, r3, r{r}, lsl #8", f"and r{r}, r{r}, r3")


def widen(w: Writer, geometry: Geometry) -> None:
    """Widen one line from r0 to r1, and move both to the next."""
    fast = geometry.fast
    elements: list[int | None] = [None] * (fast.pad % 2) + list(range(fast.used))
    elements += [None] * (len(elements) % 2)
    at, written = 0, 0
    for first in range(0, len(elements), 8):
        group = elements[first : first + 8]
        for i, element in enumerate(group):
            if element is None:
                continue
            if element * fast.step - at > MAX_OFFSET:
                w(*add_constant("r0", element * fast.step - at, "r10"))
                at = element * fast.step
            w(f"ldrsb r{2 + i}, [r0, #{element * fast.step - at}]")
        names = [f"r{2 + i}" if element is not None else "r12" for i, element in enumerate(group)]
        for i in range(0, len(group), 2):
            w(f"pkhbt r{2 + i // 2}, {names[i]}, {names[i + 1]}, lsl #16")
        w(f"stm r1!, {{r2{f'-r{1 + len(group) // 2}' if len(group) > 2 else ''}}}")
        written += 2 * len(group)
    w(*add_constant("r0", geometry.slow.step - at, "r10"), *add_constant("r1", geometry.line_bytes - written, "r10"))


def _line(w: Writer, geometry: Geometry, plan_: Plan) -> None:
    """Make one line of outputs at r1 from the lines at r0, and move both to the next."""
    fast, pitch = geometry.fast, geometry.line_bytes
    ring = ["r2", "r3", "r12", "lr"]
    for line in range(TAPS):
        w(f"ldr {ring[line]}, [r0, #{line * pitch}]")
    looped = fast.out // LOOP if fast.out > UNROLL else 0
    read, out = 0, _Pointer("r1")
    if looped:
        span = LOOP * fast.stride * 2
        w(f"addw lr, r0, #{looped * span}", "vmov s16, lr")
        with w.loop("group", "vmov lr, s16", "cmp r0, lr"):
            ring = _outputs(w, geometry, plan_, ring, range(LOOP), 0, out)
            out.rest(w, LOOP * fast.out_step, ring[TAPS])
            w(f"add r0, r0, #{span}")
        read = looped * span
    done = looped * LOOP
    _outputs(w, geometry, plan_, ring, range(fast.out - done), 0, out)
    out.rest(w, geometry.slow.out_step - looped * LOOP * fast.out_step, "r2")
    w(*add_constant("r0", geometry.slow.stride * pitch - read, "r2"))


class _Pointer:
    """An output pointer that follows where immediate offsets do not reach."""

    def __init__(self, register: str) -> None:
        self.register, self.at = register, 0

    def address(self, w: Writer, offset: int, scratch: str) -> str:
        """Return an operand for `offset` bytes from the start, moving the register if needed."""
        if offset - self.at > MAX_OFFSET:
            w(*add_constant(self.register, offset - self.at, scratch))
            self.at = offset
        return f"[{self.register}, #{offset - self.at}]"

    def rest(self, w: Writer, offset: int, scratch: str) -> None:
        """Move the register to `offset` bytes from the start, which becomes the new start."""
        w(*add_constant(self.register, offset - self.at, scratch))
        self.at = 0


def _outputs(
    w: Writer, geometry: Geometry, plan_: Plan, ring: list[str], outputs: range, read: int, out: _Pointer
) -> list[str]:
    """Write outputs two by two; returns where the three lines' registers are in the end."""
    fast, pitch = geometry.fast, geometry.line_bytes
    for p in outputs[::2]:
        w("vmov r10, r11, s8, s9")
        if fast.stride == 1:
            for line in range(TAPS):
                a, b = ring[line], ring[TAPS]
                w(f"ldr {b}, [r0, #{read + line * pitch + 2 * p + 4}]")
                w(f"smlad r10, {a}, r{4 + 2 * line}, r10", f"smlabt r10, {b}, r{5 + 2 * line}, r10")
                if p + 1 < outputs.stop:
                    w(f"smlatb r11, {a}, r{4 + 2 * line}, r11", f"smlad r11, {b}, r{5 + 2 * line}, r11")
                ring[line], ring[TAPS] = b, a
        else:
            for q in range(p, min(p + 2, outputs.stop)):
                for line in range(TAPS):
                    a, b, sum_ = ring[line], ring[TAPS], f"r{10 + q - p}"
                    w(f"ldr {b}, [r0, #{read + line * pitch + 4 * q + 4}]")
                    w(f"smlad {sum_}, {a}, r{4 + 2 * line}, {sum_}", f"smlabt {sum_}, {b}, r{5 + 2 * line}, {sum_}")
                    ring[line], ring[TAPS] = b, a
        sums = ["r10", "r11"][: min(2, outputs.stop - p)]
        _requantize(w, plan_, sums, ring)
        for i, register in enumerate(sums):
            w(f"strb {register}, {out.address(w, (p + i) * fast.out_step, ring[TAPS])}")
    return ring


def _requantize(w: Writer, plan_: Plan, sums: list[str], ring: list[str]) -> None:
    free = ring[TAPS]
    w(f"vmov {free}, s10")
    if plan_.exact:
        addend, sign = ring[0], ring[1]
        w(f"vmov s12, s13, {addend}, {sign}", f"vmov {addend}, s11")
        for register in sums:
            w(f"add {sign}, {addend}, {register}, asr #31", f"smmlar {register}, {register}, {free}, {sign}")
        w(f"vmov {free}, s14", f"vmov {addend}, {sign}, s12, s13")
        for register in sums:
            w(f"asr {register}, {register}, {free}")
            saturate(w, plan_, register, 0)
    else:
        for register in sums:
            w(f"smmulr {register}, {register}, {free}")
        for register in sums:
            saturate(w, plan_, register, plan_.shift)


def saturate(w: Writer, plan_: Plan, register: str, shift: int) -> None:
    """Shift to the right and clamp to what the activation allows; where that is less than int8, from 0 being `low`."""
    by = f", asr #{shift}" if shift else ""
    above = 255 - (plan_.high - plan_.low)
    if (plan_.low, plan_.high) == (-128, 127):
        w(f"ssat {register}, #8, {register}{by}")
    elif plan_.high == 127:
        w(
            f"usat {register}, #8, {register}{by}",
            *add_constant(register, plan_.low),
            f"ssat {register}, #8, {register}",
        )
    else:  # what is above ends at 255, then everything goes where it belongs
        w(f"usat {register}, #8, {register}{by}", f"addw {register}, {register}, #{above}")
        w(f"usat {register}, #8, {register}", *add_constant(register, plan_.low - above))
