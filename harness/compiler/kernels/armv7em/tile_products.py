"""The routines that transformed tiles share (tiles.py): B down the columns; B along the strip, and the products.

Products run position after position, two tiles by four output channels; a position's values of both tiles wait in
floating-point registers while all channels pass by:

    r0 r1     values of both tiles, a pair of channels      r4-r7   sums of the first tile, channels 0-3
    r2 r3 r12 weights, int16                                r8-r11  sums of the second
    s0-s31    the values                                    lr      the stream

    VMOV r0, r1, s0, s1          21 instructions for 32 products, 0.66 each; 31 cycles, 0.97 each:
    LDM lr!, {r2, r3, r12}       16 SMLAD, 2 VMOV, 3 LDM of 8 words. A weight is used twice, a value four times:
    SMLAD r8, r1, r2, r8  ...    eight sums leave no register for more.

The stream has for each chunk: where its sums lie, where its values lie, then for each four channels what the sums begin
with, if it begins them, and the weights.
"""

from functools import cache

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant, load_constant
from harness.compiler.kernels.armv7em.tiles import LANES_BYTES, TILES, Method, Schedule, Section
from harness.compiler.routine import Routine

COLUMNS = "const int8_t *rows, int32_t row, int8_t *strip, int32_t words"
PRODUCTS = "const int8_t *strip, const int32_t *stream, int8_t *scratch, int32_t channels"


@cache
def columns(method: Method) -> Routine:
    """Write the routine that transforms the columns of a band.

    Blocks:
        call, word (once four channels of a column).
    """
    w = Writer(f"columns_{method.name}", COLUMNS)
    w("push {r4-r11, lr}", "mov r12, r2", "add r2, r0, r1", "add r2, r2, r1, lsl #1")
    if method.constant is not None:
        w(*load_constant("lr", method.constant))
    with w.loop("word", "subs r3, r3, #1"):
        for rotation, step in (("", 0), (", ror #8", 4)):
            _load(w, method.span, step)
            w(*(method.widen.format(f"r{4 + i}", rotation) for i in range(method.span)), *method.transform)
            w(f"stm r12!, {{r4-r{3 + method.span}}}")
    w("pop {r4-r11, pc}")
    return w.routine()


def _load(w: Writer, span: int, step: int) -> None:
    """Load r4, r5 ... from r0, every r1 bytes; r2 is r0 + 3 r1. Both move on by `step`."""
    w("ldr r5, [r0, r1]", "ldr r6, [r0, r1, lsl #1]", "ldr r8, [r2, r1]")
    w(*(["ldr r9, [r2, r1, lsl #1]"] if span > 5 else []))
    w(*(f"ldr {r}, [{base}]" + (f", #{step}" if step else "") for r, base in (("r4", "r0"), ("r7", "r2"))))


SUM, END, VALUES, SUMS, CHANNELS, COUNT, ROUNDS, STRIP, STREAM, FRAME = range(0, 40, 4)
"""The stack frame of `products`: where sums go, where the chunk's stream ends, and what outlives the loops."""


@cache
def products(s: Schedule, unroll: int) -> Routine:
    """Write the routine that makes the sums of two tiles.

    Args:
        s: the order of the products.
        unroll: groups of four channels written out in the inner loop.

    Blocks:
        call, round, row (once a row of parts of a round, if it has more than one), across_0 and across_1 (once two
        pairs of channels of a row); for each form of chunks its name (once a chunk) and name_groups (once `unroll`
        groups of it).
    """
    m, depth = s.method, s.depth
    w = Writer(f"products_{s.name}u{unroll}", PRODUCTS)
    saved = ["{s16-s31}"] if 2 * s.piece * s.pieces > 16 else []
    w("push {r4-r11, lr}", *(f"vpush {registers}" for registers in saved), f"sub sp, sp, #{FRAME}")
    w(f"str r0, [sp, #{STRIP}]", "mov lr, r1", f"str r2, [sp, #{VALUES}]", f"str r3, [sp, #{CHANNELS}]")
    w(*add_constant("r2", m.values_bytes(depth), "r12"), f"str r2, [sp, #{SUMS}]")
    if len(s.rounds) > 1:
        w(f"movs r0, #{len(s.rounds)}", f"str r0, [sp, #{ROUNDS}]")
        with w.loop("round", *_count_down(ROUNDS)):
            _one_round(w, s, unroll)
            w(f"ldr r0, [sp, #{STRIP}]", "adds r0, r0, #4", f"str r0, [sp, #{STRIP}]")
    else:
        with w.block("round"):
            _one_round(w, s, unroll)
    w(f"add sp, sp, #{FRAME}", *(f"vpop {registers}" for registers in saved), "pop {r4-r11, pc}")
    return w.routine()


def _count_down(counter: int) -> list[str]:
    return [f"ldr r0, [sp, #{counter}]", "subs r0, r0, #1", f"str r0, [sp, #{counter}]"]


def _one_round(w: Writer, s: Schedule, unroll: int) -> None:
    m = s.method
    w(f"ldr r0, [sp, #{STRIP}]", f"ldr r12, [sp, #{VALUES}]", *load_constant("r1", m.column_bytes(s.depth)))
    if m.low:
        w(f"str lr, [sp, #{STREAM}]", *load_constant("lr", m.low))
    if m.rows > 1:
        w(f"movs r11, #{m.rows}")
        with w.loop("row", "subs r11, r11, #1"):
            _row(w, s)
            w("sub r0, r0, r1", "sub r0, r0, r1, lsl #2", "adds r0, r0, #4")
            w(*add_constant("r12", (m.span - 1) * 4 * s.depth - 4, "r2"))
    else:
        _row(w, s)
    if m.low:
        w(f"ldr lr, [sp, #{STREAM}]")
    for section in s.rounds[0]:
        _section(w, s, section, unroll)


def _row(w: Writer, s: Schedule) -> None:
    """Make a row of values from the strip, first of one tile, then of the other."""
    m = s.method
    for tile in range(TILES):
        w("add r2, r0, r1", "add r2, r2, r1, lsl #1", f"addw r3, r12, #{4 * s.depth}")
        with w.loop(f"across_{tile}", "cmp r12, r3"):
            for _ in range(2):
                _load(w, m.span, 4 * m.span)
                if m.low:
                    w("add r8, r8, lr", "add r9, r9, lr")
                w(*m.transform)
                w(*(f"str r{4 + j}, [r12, #{4 * s.depth * j}]" for j in range(1, m.span)), "str r4, [r12], #8")
        if tile == 0:
            w("add r0, r0, r1", "add r0, r0, r1, lsl #1", *add_constant("r12", 4 - 4 * s.depth))


def _section(w: Writer, s: Schedule, section: Section, unroll: int) -> None:
    """Multiply the chunks of a section, one after another, by all channels."""
    pairs, lanes = s.piece * section.pieces, s.method.sums * LANES_BYTES
    bases = ["r2", "r3"][: section.pieces]
    w(f"movs r0, #{len(section.chunks)}", f"str r0, [sp, #{COUNT}]")
    with w.loop(section.name, *_count_down(COUNT)):
        # r0 where the sums lie, r1 where the chunk's stream ends, r2 r3 where the values lie
        w(f"ldm lr!, {{r0, {', '.join(bases)}}}", f"ldrd r4, r5, [sp, #{VALUES}]", "add r0, r0, r5")
        for n, base in enumerate(bases):
            w(f"add {base}, {base}, r4", f"vldm {base}, {{s{2 * s.piece * n}-s{2 * s.piece * (n + 1) - 1}}}")
        w(f"ldr r1, [sp, #{CHANNELS}]", f"movs r2, #{4 * (pairs + section.first)}", "mla r1, r1, r2, lr")
        w(f"strd r0, r1, [sp, #{SUM}]")
        with w.loop(f"{section.name}_groups", "cmp lr, r1"):
            for group in range(unroll):
                forward = [f"addw r0, r0, #{group * lanes}"] if group else []
                if section.first:
                    w("ldm lr!, {r4-r7}")
                else:
                    w(f"ldr r0, [sp, #{SUM}]", *forward, "ldm r0, {r4-r11}")
                for pair in range(0, pairs, 2):
                    _multiply(w, pair, first=section.first and pair == 0)
                last = group == unroll - 1
                w(f"ldrd r0, r1, [sp, #{SUM}]" if last else f"ldr r0, [sp, #{SUM}]", *forward, "stm r0, {r4-r11}")
            w(f"addw r0, r0, #{lanes}", f"str r0, [sp, #{SUM}]")


def _multiply(w: Writer, pair: int, *, first: bool) -> None:
    """Add 32 products: two pairs of channels, two tiles, four channels. The first takes one tile's sums for both."""

    def add(weights: str, channel: int, *, fresh: bool = False) -> None:
        w(f"smlad r{8 + channel}, r1, {weights}, r{(4 if fresh else 8) + channel}")
        w(f"smlad r{4 + channel}, r0, {weights}, r{4 + channel}")

    w(f"vmov r0, r1, s{2 * pair}, s{2 * pair + 1}", "ldm lr!, {r2, r3, r12}")
    add("r2", 0, fresh=first)
    add("r3", 1, fresh=first)
    add("r12", 2, fresh=first)
    w("ldm lr!, {r2, r3, r12}")
    add("r2", 3, fresh=first)
    w(f"vmov r0, r1, s{2 * pair + 2}, s{2 * pair + 3}")
    add("r3", 0)
    add("r12", 1)
    w("ldm lr!, {r2, r3}")
    add("r2", 2)
    add("r3", 3)


def product_times(s: Schedule, groups: int, unroll: int) -> dict[str, int]:
    """Return how often one call of `products` runs each of its blocks, for `groups` groups of four channels."""
    rounds, rows = len(s.rounds), s.method.span
    times = {"call": 1, "round": rounds, **({"row": rows} if s.method.rows > 1 else {})}
    for section in s.rounds[0]:
        count = rounds * len(section.chunks)
        times |= {section.name: count, f"{section.name}_groups": count * groups // unroll}
    return times | {f"across_{tile}": rows * s.depth // 4 for tile in range(TILES)}
