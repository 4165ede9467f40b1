"""Fully connected: one vector times a matrix, eight channels at a time.

There is one vector only, so every weight is used once and has to be loaded: that is what the loop is made of.

    r12  the vector, int8       r0 r1   four of its elements, widened: (x0 x2), (x1 x3)
    lr   the stream             r2 r3   two words of weights; r4-r11 sums of eight channels

    LDR r0, [r12], #4; SXTB16 twice     31 instructions for 32 products, 0.97 each; 40 cycles, 1.25 each:
    then four times                     16 SMLAD, 8 SXTB16, 8 words of weights, and 3 for the vector.
    LDRD r2, r3, [lr], #8
    SMLAD, SXTB16, SMLAD, twice

A word of weights holds two channels (product.py). With weights widened to int16 in flash ("int16") no SXTB16 is left:
four channels at a time, eight elements of a widened vector in r0-r3 and eight weights of one channel in r8-r11,
21 instructions and 41 cycles for 32 products, 0.66 and 1.28 each, for twice the flash.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.compiler.kernels.armv7em.assembly import Writer
from harness.compiler.kernels.armv7em.product import LANE, Tail, clamp, pack, saturate, weave
from harness.compiler.kernels.armv7em.requantize import MAX_SHIFT, Constants, fit
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.routine import Routine

PARAMETERS = "const int8_t *in, int8_t *out, const int32_t *stream, const dense_run *run"
Weights = Literal["int8", "wide", "int16"]
STEPS = {"int8": 8, "wide": 8, "int16": 4}
"""Steps of the inner loop that are written out: of four elements, int16 of eight."""
WORD = 4


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a layer.

    Attributes:
        weights: how they lie in the stream; "wide" are int8 whose sums do not fit a shared multiplication.
        shared: one set of constants at the head of the stream; else one a channel behind its weights.
        tail: how sums become outputs.
        constants: M and C (or m and R) of each channel.
        stairs: what they reproduce; channels a multiple of four.
        bias: (channels,) first sums.
    """

    weights: Weights
    shared: bool
    tail: Tail
    constants: Constants
    stairs: Staircase
    bias: Int64s


def plan(
    matrix: Int64s, bias: Int64s, stairs: Staircase, *, shared: bool, weights: Weights, shift: int = MAX_SHIFT
) -> Plan | None:
    """Choose the constants of a layer.

    Args:
        matrix: (channels, depth), channels a multiple of four.
        bias: (channels,) with the input's zero point folded in.
        stairs: the outputs wanted.
        shared: whether all channels have one multiplier.
        weights: "int8" or "int16".
        shift: the largest N wanted: layers with the same can share a routine.

    Returns:
        The plan; None where even the exact form cannot do it.
    """
    if not stairs.regular:
        return None
    reach = np.maximum(np.abs(stairs.least), np.abs(stairs.most))[1::2].max()
    if weights == "int8" and (reach >= 2**23 - 2**16 or np.any(matrix[0::2] + LANE * matrix[1::2] < -(2**15))):
        weights = "wide"
    odd_bits = 8 if weights == "int8" else 0
    used = min(shift + 1, int(stairs.shifts[stairs.multipliers > 0].min(initial=MAX_SHIFT + 1)))
    lanes = [_fit_lane(stairs.part(slice(lane, None, 2)), used, bits, shared) for lane, bits in ((0, 0), (1, odd_bits))]
    even, odd = lanes
    if even is None or odd is None:
        tail = Tail(True, 0, 0, stairs.low, stairs.high)
        exact = Constants(0, stairs.multipliers, stairs.exact_addend(), np.zeros_like(bias))
        return Plan(weights, shared, tail, exact, stairs, bias)
    tail = Tail(False, even.shift, odd.shift, stairs.low, stairs.high)
    both = Constants(
        even.shift, weave(even.multiplier, odd.multiplier), weave(even.addend, odd.addend), weave(even.bias, odd.bias)
    )
    return Plan(weights, shared, tail, both, stairs, bias)


def _fit_lane(stairs: Staircase, least: int, bits: int, shared: bool) -> Constants | None:
    """Fit the channels of a lane; with shared constants all as one channel that reaches whatever any of them does."""
    channels, shift = stairs.multipliers.size, min(MAX_SHIFT, least - 1 + bits)
    if not shared:
        return fit(stairs, np.full(channels, bits), shift)
    one = replace(stairs.part(slice(0, 1)), least=stairs.least.min(keepdims=True), most=stairs.most.max(keepdims=True))
    fitted = fit(one, np.full(1, bits), shift)
    if fitted is None:
        return None
    return Constants(fitted.shift, *(np.repeat(v, channels) for v in (fitted.multiplier, fitted.addend, fitted.bias)))


def head(plan_: Plan) -> Int64s:
    """Return the words at the head of the stream: the shared constants of an even and an odd channel."""
    if not plan_.shared:
        return np.zeros(0, dtype=np.int64)
    c = plan_.constants
    words = np.stack([c.multiplier[:2], c.addend[:2]], axis=1).ravel()
    return np.concatenate([words, plan_.stairs.shifts[:1]]) if plan_.tail.exact else words


def stream(plan_: Plan, matrix: Int64s, channels: slice, group: int) -> Int64s:
    """Return the words of some channels, `group` (4 or 8) at a time: first sums, weights, constants of their own."""
    words: list[Int64s] = []
    for first in range(channels.start, channels.stop, group):
        part = slice(first, first + group)
        words += [_first_sums(plan_, part), _weights(matrix[part], plan_.weights)]
        if not plan_.shared:
            c = plan_.constants
            words.append(np.stack([c.multiplier[part], c.addend[part]], axis=1).ravel())
            if plan_.tail.exact:
                words.append(plan_.stairs.shifts[part])
    return np.concatenate(words)


def _first_sums(plan_: Plan, part: slice) -> Int64s:
    bias, d = plan_.bias[part], plan_.constants.bias[part]
    if plan_.weights != "int8":
        return bias + d
    even = bias[0::2] + d[0::2]
    return weave(even, even + LANE * bias[1::2] + d[1::2])


def _weights(w: Int64s, kind: Weights) -> Int64s:
    depth = w.shape[1]
    if kind == "int16":
        whole = depth // 8 * 8
        blocks = w[:, :whole].reshape(len(w), -1, 8)[..., [0, 2, 1, 3, 4, 6, 5, 7]].transpose(1, 0, 2)
        body = ((blocks[..., 0::2] & 0xFFFF) | ((blocks[..., 1::2] & 0xFFFF) << 16)).ravel()
        left = np.pad(w[:, whole:], ((0, 0), (0, (depth - whole) % 2)))
        pairs = ((left[:, 0::2] & 0xFFFF) | ((left[:, 1::2] & 0xFFFF) << 16)).T.ravel()
        return np.concatenate([body, pairs])
    whole = depth // WORD * WORD
    pairs_of_k = [(k + a, k + a + 2) for k in range(0, whole, WORD) for a in (0, 1)]
    pairs_of_k += [(k, k + 1 if k + 1 < depth else -1) for k in range(whole, depth, 2)]
    a = w[:, [k for k, _ in pairs_of_k]]
    b = np.where(np.array([k for _, k in pairs_of_k]) < 0, 0, w[:, [k for _, k in pairs_of_k]])
    if kind == "wide":
        halves = [(x[0::2] & 0xFF) | ((x[1::2] & 0xFF) << 8) for x in (a, b)]
    else:
        halves = [(x[0::2] + LANE * x[1::2]) & 0xFFFF for x in (a, b)]
    return (halves[0] | (halves[1] << 16)).T.ravel()


def routine(plan_: Plan, depth: int, group: int, stores: int) -> Routine:
    """Write the routine for groups of `group` channels, 4 or 8, of which the last stores `stores`.

    Blocks:
        call, group, chunk (STEPS of the inner loop).
    """
    kind = plan_.weights
    size = 8 if kind == "int16" else WORD
    steps = depth // size
    looped, left, rest = steps // STEPS[kind], steps % STEPS[kind], depth % size
    own = "shared" if plan_.shared else "own"
    name = f"dense_{kind}_{group}_{'loop_' if looped else ''}{left}_{rest}_{own}_{plan_.tail.name}"
    w = Writer(name + ("" if stores == group else f"_store{stores}"), PARAMETERS)
    # s0 vector, s1 output, s2 groups left, s3 end of the loop's part of the vector, s4-s7 shared constants, s8 shared n
    w("push {r4-r11, lr}", "vmov s0, r0", "vmov s1, r1", "mov lr, r2", "ldm r3, {r4, r5}", "add r5, r5, r0")
    w("vmov s2, s3, r4, r5")
    if plan_.shared:
        w("vldm lr!, {s4, s5, s6, s7, s8}" if plan_.tail.exact else "vldm lr!, {s4, s5, s6, s7}")
    with w.loop("group", "vmov r0, s2", "subs r0, r0, #1", "vmov s2, r0"):
        w("vmov r12, s0", f"ldm lr!, {{r4-r{3 + group}}}")
        if looped:
            with w.loop("chunk", "vmov r0, s3", "cmp r12, r0"):
                for _ in range(STEPS[kind]):
                    _step(w, kind, group)
        for _ in range(left):
            _step(w, kind, group)
        _rest(w, kind, group, rest)
        _finish(w, plan_, group, stores)
    w("pop {r4-r11, pc}")
    return w.routine()


def _step(w: Writer, kind: Weights, group: int) -> None:
    if kind == "int16":
        w("ldm r12!, {r0-r3}")
        for channel in range(4):
            w("ldm lr!, {r8-r11}", *(f"smlad r{4 + channel}, r{i}, r{8 + i}, r{4 + channel}" for i in range(4)))
        return
    w("ldr r0, [r12], #4", "sxtb16 r1, r0, ror #8", "sxtb16 r0, r0")
    for pair in ("r0", "r1"):
        _pair(w, kind, group, pair)


def _pair(w: Writer, kind: Weights, group: int, pair: str) -> None:
    """Add the products of two elements in register `pair` with all channels."""
    for channel in range(0, group, 4):
        if kind == "int8":
            w("ldrd r2, r3, [lr], #8")
            for word, c in (("r2", 4 + channel), ("r3", 6 + channel)):
                w(f"smlad r{c + 1}, {pair}, {word}, r{c + 1}", f"sxtb16 {word}, {word}")
                w(f"smlad r{c}, {pair}, {word}, r{c}")
        else:
            for c in (4 + channel, 6 + channel):
                w("ldr r2, [lr], #4", "sxtb16 r3, r2, ror #8", "sxtb16 r2, r2")
                w(f"smlad r{c + 1}, {pair}, r3, r{c + 1}", f"smlad r{c}, {pair}, r2, r{c}")


def _rest(w: Writer, kind: Weights, group: int, rest: int) -> None:
    """Add what is left of the vector, fewer elements than a step: in pairs, the last one perhaps alone."""
    for _ in range(rest // 2):
        if kind == "int16":
            w("ldr r0, [r12], #4")
            _pair16(w)
        else:
            w("ldrsb r0, [r12], #1", "ldrsb r1, [r12], #1", "pkhbt r0, r0, r1, lsl #16")
            _pair(w, kind, group, "r0")
    if rest % 2:
        if kind == "int16":
            w("ldrsh r0, [r12], #2", "uxth r0, r0")
            _pair16(w)
        else:
            w("ldrsb r0, [r12], #1", "uxth r0, r0")
            _pair(w, kind, group, "r0")


def _pair16(w: Writer) -> None:
    w("ldm lr!, {r8-r11}", *(f"smlad r{4 + channel}, r0, r{8 + channel}, r{4 + channel}" for channel in range(4)))


def _finish(w: Writer, plan_: Plan, group: int, stores: int) -> None:
    """Requantise the sums, pack and store them."""
    tail, odd_scaled = plan_.tail, plan_.weights == "int8"
    if odd_scaled:
        w(*(f"sub r{c + 1}, r{c + 1}, r{c}" for c in range(4, 4 + group, 2)))
    if plan_.shared:
        w("vmov r0, r1, s4, s5", "vmov r2, r3, s6, s7")
    for c in range(4, 4 + group, 2):
        if not plan_.shared:
            w("ldm lr!, {r0-r3}")
        if tail.exact:
            for r, m, addend, double in (
                (c, "r0", "r1", "lsl {0}, {0}, #1"),
                (c + 1, "r2", "r3", "asr {0}, {0}, #7" if odd_scaled else "lsl {0}, {0}, #1"),
            ):
                w(double.format(f"r{r}"), f"add r12, {addend}, r{r}, asr #31", f"smmlar r{r}, r{r}, {m}, r12")
        else:
            w(f"smmlar r{c}, r{c}, r0, r1", f"smmlar r{c + 1}, r{c + 1}, r2, r3")
            w(saturate(c, tail.shift), saturate(c + 1, tail.odd_shift))
    if tail.exact:
        if plan_.shared:
            w("vmov r0, s8")
        for r in range(4, 4 + group):
            w(*([] if plan_.shared else ["ldr r0, [lr], #4"]), f"asr r{r}, r{r}, r0", saturate(r, 0))
    firsts = tuple(range(4, 4 + group, 4))
    for r in firsts:
        w(*pack(r))
    w(*clamp(firsts, tail.low, tail.high))
    w("vmov r12, s1")
    if stores == group:
        w(*(f"str r{r}, [r12], #4" for r in firsts))
    else:
        for i in range(stores):
            w("strb r4, [r12], #1", *(["lsr r4, r4, #8"] if i + 1 < stores else []))
    w("vmov s1, r12")
