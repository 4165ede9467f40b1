"""ADD of two tensors of one shape: a line through the sums, found by search and proven on all pairs of inputs.

TensorFlow Lite Micro scales both inputs, adds, and scales again, each time rounded: 82 instructions an element. But the
output is a function of two bytes: whatever gives the same for all 65,536 pairs is exact. On a Cortex-M4 that is

    SMLAWB t, A, x1, C        t = C + (A x1 >> 16)          x1, x2: 256 times the inputs, as halfwords
    SMLAWB t, B, x2, t
    SSAT   y, #8, t, ASR #N

For given A, B and N, one pair leaves the least room above C and another the least below; `fit` tries A and B near their
real values until some C is left in between. (Where negative sums can be ties, which are rounded away from zero, the
slopes have to be a little too steep.)

The loop takes two words of each input, r8 r9 and r10 r11, twice a pass; r4-r6 hold A, B, C, and r7 a mask:

    AND r12, r7, r8, LSL #8     256 times bytes 0 and 2 of the first input; likewise lr of the second
    AND r8, r7, r8              256 times bytes 1 and 3; likewise r10

85 instructions for 16 elements, 5.3 each: 4 LDM, 16 AND, 32 SMLAW, 16 SSAT, 12 BFI, 2 STM and 3 for the loop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.compiler.kernels.add import LEFT_SHIFT, Operand, Sum, read
from harness.compiler.kernels.armv7em.assembly import Writer, load_constant
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Int64s
from harness.compiler.layer import Layer
from harness.compiler.routine import Cost, Routine

PARAMETERS = "const int8_t *a, const int8_t *b, int8_t *out, const add_run *run"
SHIFTS = (20, 21, 19, 18, 22, 17, 16, 15, 14, 13, 12)
"""N; the usual one first, since layers with the same share a routine."""
NEIGHBOURS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""How far A and B are moved from their real values."""
PASS = 16
MASK = 0xFF00FF00


@dataclass(frozen=True)
class Line:
    """(c + (256 a x1 >> 16) + (256 b x2 >> 16)) >> shift, before it is clamped."""

    a: int
    b: int
    c: int
    shift: int


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer where nothing is broadcast, there is enough to do, and constants are found."""
    layer = read(node)
    elements = layer.output.elements
    if elements < PASS or any(operand.tensor.elements != elements for operand in (layer.a, layer.b)):
        return
    line = fit(layer)
    if line is None:
        return
    adding = routine(line.shift, layer.low, layer.high)
    passes = elements // PASS
    yield Layer(
        index=0,
        name=layer.output.name,
        op="ADD",
        kernel="add_armv7em",
        shape={
            "size": elements, "routine": adding.name,
            "run": {"a": line.a, "b": line.b, "c": line.c, "bytes": passes * PASS},
            "shift": line.shift, "output_min": layer.low, "output_max": layer.high,
        },
        inputs=(layer.a.tensor.index, layer.b.tensor.index),
        outputs=(layer.output.index,),
        overlaps=layer.overlaps,
        routines=(adding,),
        estimate=adding.cost(call=1, words=passes) + Cost(20, 25) + Cost(25, 30) * (elements % PASS),
    )  # fmt: skip


def fit(layer: Sum) -> Line | None:
    """Search constants that give what TensorFlow Lite Micro gives, for every pair of inputs.

    Returns:
        The constants; None where none are found.
    """
    wanted = table(layer)
    x = np.arange(-128, 128)
    above_low, below_high = wanted > layer.low, wanted < layer.high
    for shift in SHIFTS:
        real = [round(_slope(operand, layer) * 2 ** (shift + 8)) for operand in (layer.a, layer.b)]
        for a, b in _near(*real) if max(real) < 2**31 else ():
            sums = (a * x >> 8)[:, None] + (b * x >> 8)[None, :]
            least = (wanted * (1 << shift) - sums).max(initial=-(2**31), where=above_low)
            most = ((wanted + 1) * (1 << shift) - 1 - sums).min(initial=2**31, where=below_high)
            c = int(least + most) >> 1
            reach = max(abs(c) + (abs(a) >> 1), int(np.abs(sums + c).max())) + 2
            if least <= most and max(a, b, reach) < 2**31:
                return Line(a, b, c, shift)
    return None


def _near(a: int, b: int) -> Iterator[tuple[int, int]]:
    """Yield pairs around the real slopes, steeper ones first."""
    for step in NEIGHBOURS:
        for da, db in ((1, 1), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1)) if step else ((0, 0),):
            yield a + da * step, b + db * step


def _slope(operand: Operand, layer: Sum) -> float:
    """Return how much the output grows with an input."""
    shift = operand.shift + layer.shift + LEFT_SHIFT - 62
    return float(operand.multiplier * layer.multiplier) * 2.0**shift


def table(layer: Sum) -> Int64s:
    """Return what TensorFlow Lite Micro gives for every pair of inputs: (256, 256), from -128, clamped."""
    a, b = (
        _requantize((np.arange(-128, 128) - x.zero_point) << LEFT_SHIFT, x.multiplier, x.shift)
        for x in (layer.a, layer.b)
    )
    sums = _requantize(a[:, None] + b[None, :], layer.multiplier, layer.shift)
    return np.clip(sums + layer.zero_point, layer.low, layer.high)


def _requantize(x: Int64s, multiplier: int, shift: int) -> Int64s:
    """Multiply as `fixedpoint.multiply_by_quantized_multiplier`; shifts to the right only."""
    high = (x * multiplier + 2**30) >> 31
    n = -shift
    return (high + (1 << n >> 1) - ((high < 0) & (n > 0))) >> n


@cache
def routine(shift: int, low: int, high: int) -> Routine:
    """Write the routine for one N and one clamp.

    Blocks:
        call, words (once 16 elements).
    """
    clamped = f"_clamp_{low + 128}_{high + 128}" if (low, high) != (-128, 127) else ""
    w = Writer(f"add_{shift}{clamped}", PARAMETERS)
    # s0 where the output ends
    w("push {r4-r11, lr}", "ldm r3, {r4-r6, r12}", "add r12, r12, r2", "vmov s0, r12", *load_constant("r7", MASK))
    with w.loop("words", "vmov r3, s0", "cmp r2, r3"):
        for _ in range(PASS // 8):
            w("ldm r0!, {r8, r9}", "ldm r1!, {r10, r11}")
            _word(w, "r8", "r10", shift)
            _word(w, "r9", "r11", shift)
            _clamp(w, ("r10", "r11"), low, high)
            w("stm r2!, {r10, r11}")
    w("pop {r4-r11, pc}")
    return w.routine()


def _word(w: Writer, a: str, b: str, shift: int) -> None:
    """Add a word of each input; the sums replace `b`."""
    w(f"and r12, r7, {a}, lsl #8", f"and {a}, r7, {a}", f"and lr, r7, {b}, lsl #8", f"and {b}, r7, {b}")
    # Bytes 1, 3, 0, 2: each goes where nothing is needed any more.
    for half, target, first, second in (
        ("b", "r3", a, b),
        ("t", a, a, b),
        ("b", b, "r12", "lr"),
        ("t", "r12", "r12", "lr"),
    ):
        w(f"smlaw{half} {target}, r4, {first}, r6", f"smlaw{half} {target}, r5, {second}, {target}")
    w(*(f"ssat {register}, #8, {register}, asr #{shift}" for register in ("r3", a, b, "r12")))
    w(f"bfi {b}, r3, #8, #8", f"bfi {b}, r12, #16, #8", f"bfi {b}, {a}, #24, #8")


def _clamp(w: Writer, words: tuple[str, ...], low: int, high: int) -> None:
    """Clamp the bytes of some words; r3 and r12 are overwritten where there is need."""
    for limit, above in ((low, True), (high, False)):
        if limit != (-128 if above else 127):
            w(f"mov.w r12, #{(limit & 0xFF) * 0x01010101:#x}")
            for word in words:
                w(f"ssub8 r3, {word}, r12" if above else f"ssub8 r3, r12, {word}", f"sel {word}, {word}, r12")
