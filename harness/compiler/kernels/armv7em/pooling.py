"""Windows summed, or their maxima taken, up to sixteen channels at a time.

A group of channels is one to four words of a pixel. For sums, two channels share a register, as halfwords:

    r1 r2 r3 r12    a pixel's words     r4 r6 r8 r10    sums of channels 0 and 2 of each word
    r0              the pixel           r5 r7 r9 r11    sums of channels 1 and 3
    lr              the row's end

    LDM r0, {r1, r2, r3, r12}           12 instructions for 16 values, 0.75 each, 17 cycles: LDM, ADD, CMP, branch,
    SXTAB16 r4, r4, r1                  and a SXTAB16 for two values. (USADA8 adds four at once, but of one sum: they
    SXTAB16 r5, r5, r1, ROR #8  ...     would have to be neighbours.)

A halfword holds the sum of 256 values. An average adds half the count, with the sign of the sum, and divides: what TFLM
does. A mean requantises: the five instructions of requantize.py, whose shift is written out. A maximum takes SSUB8 and
SEL a word.
"""

from functools import cache
from typing import Literal

from harness.compiler.kernels.armv7em.assembly import Writer
from harness.compiler.routine import Routine

PARAMETERS = "const int8_t *in, int8_t *out, const {}_run *run"
MAX_PIXELS = 256
WORD = 4
WORDS = ("r1", "r2", "r3", "r12")
Kind = Literal["average", "max", "mean"]


def words_at_once(channels: int) -> int:
    """Return how many words of channels one pass takes; 0 where channels do not fill words."""
    return 0 if channels % WORD else next(n for n in (4, 3, 2, 1) if channels // WORD % n == 0)


@cache
def routine(kind: Kind, channels: int, low: int, high: int, shift: int = 0) -> Routine:
    """Write the routine that makes one pixel of output, all its channels.

    Args:
        kind: what becomes of a window.
        channels: a multiple of four.
        low: least output.
        high: greatest output.
        shift: n of a mean.

    Blocks:
        call, group, row (once a group and row of the window), pixel (once a group and pixel of it).
    """
    words = words_at_once(channels)
    form = f"_{shift}" if kind == "mean" else ""
    clamped = f"_clamp_{low + 128}_{high + 128}" if (low, high) != (-128, 127) else ""
    w = Writer(f"{kind}_{channels}{form}{clamped}", PARAMETERS.format("mean" if kind == "mean" else "pool"))
    # s0 input, s1 output, s2 groups left, s3 bytes of a row, s4 from its end to the next, s5 rows, s6-s8 constants,
    # s9 rows left
    w("push {r4-r11, lr}", "vmov s0, s1, r0, r1", "ldm r2!, {r4-r7}", "vmov s2, s3, r4, r5", "vmov s4, s5, r6, r7")
    w("vldm r2, {s6, s7, s8}" if kind == "mean" else "vldm r2, {s6, s7}")
    with w.loop("group", "vmov r0, s2", "subs r0, r0, #1", "vmov s2, r0"):
        w("vmov r0, s0", f"add r1, r0, #{WORD * words}", "vmov s0, r1", "vmov.f32 s9, s5")
        w(*(f"mov.w r{4 + i}, #{0x80808080 if kind == 'max' else 0:#x}" for i in range(2 * words)))
        with w.loop("row", "vmov r1, s9", "subs r1, r1, #1", "vmov s9, r1"):
            w("vmov r1, s3", "add lr, r0, r1")
            with w.loop("pixel", "cmp r0, lr"):
                w(
                    f"ldm r0, {{{', '.join(WORDS[:words])}}}" if words > 1 else "ldr r1, [r0]",
                    f"addw r0, r0, #{channels}",
                )
                for i, word in enumerate(WORDS[:words]):
                    a, b = f"r{4 + 2 * i}", f"r{5 + 2 * i}"
                    if kind == "max":
                        w(f"ssub8 {b}, {word}, {a}", f"sel {a}, {word}, {a}")
                    else:
                        w(f"sxtab16 {a}, {a}, {word}", f"sxtab16 {b}, {b}, {word}, ror #8")
            w("vmov r1, s4", "add r0, r0, r1")
        {"average": _average, "max": lambda *_: None, "mean": _mean}[kind](w, words, shift)
        _store(w, words, low, high)
    w("pop {r4-r11, pc}")
    return w.routine()


def _average(w: Writer, words: int, _: int) -> None:
    """Divide every sum by the count, r2; half of that is r3."""
    w("vmov r2, r3, s6, s7")
    for even, odd, lanes in _lanes(words):
        for register, extract in lanes:
            w(extract, f"eor r12, r3, {register}, asr #31", f"sub r12, r12, {register}, asr #31")
            w(f"add {register}, {register}, r12", f"sdiv {register}, {register}, r2")
        w(*_pack(even, odd))


def _mean(w: Writer, words: int, shift: int) -> None:
    """Requantise every sum: r2 is m, r3 is R, r12 twice what is taken from the sum."""
    w("vmov r2, r3, s6, s7", "vmov r12, s8")
    for even, odd, lanes in _lanes(words):
        for register, extract in lanes:
            w(extract, f"rsb {register}, r12, {register}, lsl #1", f"add lr, r3, {register}, asr #31")
            w(f"smmlar {register}, {register}, r2, lr", f"ssat {register}, #8, {register}, asr #{shift}")
        w(*_pack(even, odd))


def _lanes(words: int) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return, for each word, its registers of sums, and how each of the four sums gets into a register of its own."""
    pairs = [(f"r{4 + 2 * i}", f"r{5 + 2 * i}") for i in range(words)]
    return [
        (a, b, [("r0", f"asr r0, {a}, #16"), ("r1", f"asr r1, {b}, #16"), (a, f"sxth {a}, {a}"), (b, f"sxth {b}, {b}")])
        for a, b in pairs
    ]


def _pack(even: str, odd: str) -> list[str]:
    """Pack channels 0 and 1 in `even` and `odd`, 2 and 3 in r0 and r1, into `even`."""
    return [f"bfi {even}, {odd}, #8, #8", f"bfi {even}, r0, #16, #8", f"bfi {even}, r1, #24, #8"]


def _store(w: Writer, words: int, low: int, high: int) -> None:
    results = [f"r{4 + 2 * i}" for i in range(words)]
    for limit, above in ((low, True), (high, False)):
        if limit != (-128 if above else 127):
            w(f"mov.w r2, #{(limit & 0xFF) * 0x01010101:#x}")
            for r in results:
                w(f"ssub8 r3, {r}, r2" if above else f"ssub8 r3, r2, {r}", f"sel {r}, {r}, r2")
    w("vmov r0, s1", f"stm r0!, {{{', '.join(results)}}}" if words > 1 else "str r4, [r0], #4", "vmov s1, r0")
