"""Convolutions tile by tile in a transformed domain, where an output costs fewer products (winograd.py, polyphase.py).

Along each axis a tile's outputs are y = A (G w . B x): B takes the `span` inputs x of a tile to as many parts, G the
three weights, the parts are multiplied and summed over the input channels, A adds sums up to outputs. In the plane that
makes span^2 positions. Three routines share the work:

    columns   B down the columns of a band: rows of input, widened to int16, into the strip. Elementwise, so it knows
              neither width nor depth, and columns that two tiles share are done once
    products  B along the strip for two tiles, then the products, below
    outputs   A, requantisation and stores, one tile and one channel at a time (winograd.py, polyphase.py)

Halves of a word are two input channels; B works on both at once. Products run position after position, two tiles by
four output channels; a position's values of both tiles wait in floating-point registers while all channels pass by:

    r0 r1     values of both tiles, a pair of channels      r4-r7   sums of the first tile, channels 0-3
    r2 r3 r12 weights, int16                                r8-r11  sums of the second
    s0-s31    the values                                    lr      the stream

    VMOV r0, r1, s0, s1          21 instructions for 32 products, 0.66 each; 31 cycles, 0.97 each:
    LDM lr!, {r2, r3, r12}       16 SMLAD, 2 VMOV, 3 LDM of 8 words. A product takes half an SMLAD, and each weight
    SMLAD r8, r1, r2, r8  ...    is used twice, each value four times: eight sums leave room for no more.

A sum of more values than fit the registers, or of several positions, is continued from memory ("next").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from harness.compiler.kernels.armv7em.assembly import Writer, add_constant, load_constant
from harness.compiler.kernels.staircase import Int64s
from harness.compiler.routine import Routine

COLUMNS = "const int8_t *rows, int32_t row, int8_t *strip, int32_t words"
PRODUCTS = "const int8_t *strip, const int32_t *stream, int8_t *scratch, int32_t channels"
OUTPUTS = "const int8_t *sums, int8_t *out, const int32_t *constants, int32_t row"
STEP = 4
"""Inputs from a tile to the next, along either axis, for both methods."""
TILES, GROUP = 2, 4
"""Tiles and output channels of one pass."""
LANES_BYTES = 4 * TILES * GROUP
MOST_PAIRS = 16
"""Pairs of input channels that fit 32 floating-point registers, for two tiles."""
MAX_OFFSET = 4095


@dataclass(frozen=True)
class Method:
    """A way to transform, the same along both axes.

    Attributes:
        name: part of the routines' names.
        size: outputs of a tile.
        span: inputs of a tile, and parts.
        weights: G, span x 3.
        inputs: B, span x span, as `transform` computes it.
        groups: which sum each part belongs to.
        widen: widens the bytes 0 and 2 of a register ("{0}", "{1}": the rotation) to halves.
        constant: what lr holds in `widen`; None for nothing.
        transform: B on r4, r5 ... in place; r10 and r11 are free.
        low: what is added to each low half along the strip, so that it is never negative; 0 where halves do not mix.
        rows: rows of parts whose values are made at once.
        bias_at: the sum that every output contains, and always with the same sign.
    """

    name: str
    size: int
    span: int
    weights: tuple[tuple[int, ...], ...]
    inputs: tuple[tuple[int, ...], ...]
    groups: tuple[int, ...]
    widen: str
    constant: int | None
    transform: tuple[str, ...]
    low: int
    rows: int
    bias_at: int

    @property
    def sums(self) -> int:
        """Return the sums of a tile and channel."""
        return (max(self.groups) + 1) ** 2

    def transformed(self, weights: Int64s) -> Int64s:
        """Return (span, span, out_c, in_c) from (out_c, 3, 3, in_c) weights."""
        g = np.array(self.weights, dtype=np.int64)
        result: Int64s = np.einsum("ia,nabk,jb->ijnk", g, weights, g)
        return result

    def column_bytes(self, depth: int) -> int:
        """Return the bytes of a column of the strip."""
        return 2 * self.span * depth

    def values_bytes(self, depth: int) -> int:
        """Return the bytes of the values of two tiles that are made at once."""
        return self.rows * self.span * 4 * depth


@dataclass(frozen=True)
class Tail:
    """How `outputs` requantises.

    Attributes:
        form: "plain" (two instructions), "signed" (the sign of a sum matters) or "exact".
        shift: N, the same for all channels; 0 where exact.
        low: least output.
        high: greatest output.
    """

    form: Literal["plain", "signed", "exact"]
    shift: int
    low: int
    high: int

    @property
    def name(self) -> str:
        """Return a part of the routine's name."""
        clamp = f"_clamp_{self.low + 128}_{self.high + 128}" if (self.low, self.high) != (-128, 127) else ""
        return (self.form if self.form == "exact" else f"{self.form}{self.shift}") + clamp


@dataclass(frozen=True)
class Finish:
    """How the sums of a layer become outputs.

    Attributes:
        tail: what the routine does.
        scale: what weights are multiplied by.
        bias: (channels,) what the sum `bias_at` begins with.
        words: (channels, ...) the constants that `outputs` reads.
    """

    tail: Tail
    scale: int
    bias: Int64s
    words: Int64s


def clamped(registers: tuple[int, ...], tail: Tail) -> list[str]:
    """Return instructions that clamp what SSAT left."""
    lines = []
    for r in registers:
        if tail.low > -128:
            lines += [f"cmp r{r}, #{tail.low}", "it lt", f"movlt r{r}, #{tail.low}"]
        if tail.high < 127:
            lines += [f"cmp r{r}, #{tail.high}", "it gt", f"movgt r{r}, #{tail.high}"]
    return lines


@dataclass(frozen=True)
class Chunk:
    """What the floating-point registers hold at once.

    Attributes:
        sum: where its products go.
        pieces: (row of parts, column of parts, first pair of channels); a piece of zeros is None.
    """

    sum: int
    pieces: tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Schedule:
    """The order of the products.

    Attributes:
        method: how values are made.
        depth: input channels.
        pairs: of channels in a chunk.
        rounds: for each `method.rows` rows of parts the chunks that begin a sum, and those that continue one.
    """

    method: Method
    depth: int
    pairs: int
    rounds: tuple[tuple[tuple[Chunk, ...], tuple[Chunk, ...]], ...]

    @property
    def piece(self) -> int:
        """Return the pairs of channels of a piece."""
        return min(self.pairs, self.depth // 2)

    @property
    def name(self) -> str:
        """Return a part of the routine's name."""
        return f"{self.method.name}_k{self.depth}" + (f"x{self.pieces}" if self.pieces > 1 else "")

    @property
    def pieces(self) -> int:
        """Return the pieces of a chunk."""
        return self.pairs // self.piece


def schedules(method: Method, depth: int) -> Iterator[Schedule]:
    """Yield the orders of the products of `depth` input channels, a multiple of 4."""
    half = depth // 2
    if (method.span - 1) * 4 * depth > MAX_OFFSET:
        return
    longest = max(n for n in range(2, MOST_PAIRS + 1, 2) if half % n == 0)
    yield _schedule(method, depth, longest)
    if 2 * half <= MOST_PAIRS and method.sums < method.span**2:
        yield _schedule(method, depth, 2 * half)


def _schedule(method: Method, depth: int, pairs: int) -> Schedule:
    half, sums_across = depth // 2, max(method.groups) + 1
    rounds = []
    for top in range(0, method.span, method.rows):
        found: dict[int, list[tuple[int, int, int] | None]] = {}
        for i in range(top, top + method.rows):
            for j in range(method.span):
                place = found.setdefault(method.groups[i] * sums_across + method.groups[j], [])
                place += [(i, j, k) for k in range(0, half, min(pairs, half))]
        first, rest = [], []
        for target, pieces in found.items():
            count = pairs // min(pairs, half)
            pieces += [None] * (-len(pieces) % count)
            chunks = [Chunk(target, tuple(pieces[n : n + count])) for n in range(0, len(pieces), count)]
            first.append(chunks[0])
            rest += chunks[1:]
        rounds.append((tuple(first), tuple(rest)))
    return Schedule(method, depth, pairs, tuple(rounds))


def stream(s: Schedule, matrix: Int64s, finish: Finish) -> Int64s:
    """Lay out the products' constants as they are read: words, to be stored modulo 2^32.

    Args:
        s: the order.
        matrix: (out_c, 3, 3, in_c) weights.
        finish: has the bias.
    """
    weights = s.method.transformed(matrix) * finish.scale
    parts, groups, first = [], weights.shape[2] // GROUP, _first_sums(s, weights, finish.bias)
    for firsts, rest in s.rounds:
        for chunk in (*firsts, *rest):
            pieces = [_pairs(s, weights, piece) for piece in chunk.pieces]
            body = np.concatenate(pieces, axis=1).reshape(groups, -1)
            if chunk in firsts:
                body = np.concatenate([first[chunk.sum].reshape(groups, GROUP), body], axis=1)
            offsets = [_offset(s, piece) for piece in chunk.pieces]
            parts += [np.array([chunk.sum * LANES_BYTES, *offsets]), body.ravel()]
    return np.concatenate(parts)


def _first_sums(s: Schedule, weights: Int64s, bias: Int64s) -> Int64s:
    """Return (sums, out_c): the bias where it belongs, and less what `low` adds to the products."""
    method = s.method
    result = np.zeros((method.sums, weights.shape[2]), dtype=np.int64)
    result[method.bias_at] = bias
    low_halves = weights.reshape(*weights.shape[:3], -1, 4)[..., :2].sum(axis=(3, 4))
    across = max(method.groups) + 1
    for i in range(method.span):
        for j in range(method.span):
            result[method.groups[i] * across + method.groups[j]] -= method.low * low_halves[i, j]
    return result


def _pairs(s: Schedule, weights: Int64s, piece: tuple[int, int, int] | None) -> Int64s:
    """Return (groups, pairs, 4) words: weights of channels (4q, 4q + 2), (4q + 1, 4q + 3), ..."""
    out_c = weights.shape[2]
    if piece is None:
        return np.zeros((out_c // GROUP, s.piece, GROUP), dtype=np.int64)
    i, j, first = piece
    quads = weights[i, j].reshape(out_c // GROUP, GROUP, -1, 2, 2)  # group, channel, q, half of the pair, which pair
    words: Int64s = (quads[..., 0, :] & 0xFFFF) | ((quads[..., 1, :] & 0xFFFF) << 16)
    return words.reshape(out_c // GROUP, GROUP, -1).transpose(0, 2, 1)[:, first : first + s.piece]


def _offset(s: Schedule, piece: tuple[int, int, int] | None) -> int:
    """Return where the values of a piece lie."""
    if piece is None:
        return 0
    i, j, first = piece
    return (i % s.method.rows * s.method.span + j) * 4 * s.depth + 8 * first


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


SUM, GROUPS_END, VALUES, SUMS, FIRST_BYTES, NEXT_BYTES, COUNT, ROUNDS, STRIP, STREAM, FRAME = range(0, 44, 4)
"""The stack frame of `products`: where sums go, where the chunk's stream ends, and what outlives the loops."""


@cache
def products(s: Schedule) -> Routine:
    """Write the routine that makes the sums of two tiles.

    Blocks:
        call, round, row (once a row of parts of a round, if it has more than one), across (once two pairs of channels
        of a row), first and next (once a chunk), first_group and next_group (once four channels of it).
    """
    m, depth = s.method, s.depth
    w = Writer(f"products_{s.name}", PRODUCTS)
    high = 2 * s.pairs > 16
    w("push {r4-r11, lr}", *(["vpush {s16-s31}"] if high else []), f"sub sp, sp, #{FRAME}")
    w(f"str r0, [sp, #{STRIP}]", "mov lr, r1", f"str r2, [sp, #{VALUES}]")
    w(*add_constant("r2", m.values_bytes(depth), "r12"), f"str r2, [sp, #{SUMS}]")
    w(f"movs r4, #{4 * s.pairs}", "mul r4, r4, r3", f"str r4, [sp, #{NEXT_BYTES}]")
    w("add r4, r4, r3, lsl #2", f"str r4, [sp, #{FIRST_BYTES}]")
    if len(s.rounds) > 1:
        w(f"movs r0, #{len(s.rounds)}", f"str r0, [sp, #{ROUNDS}]")
        with w.loop("round", *_count_down(ROUNDS)):
            _round(w, s)
    else:
        with w.block("round"):
            _round(w, s)
    w(f"add sp, sp, #{FRAME}", *(["vpop {s16-s31}"] if high else []), "pop {r4-r11, pc}")
    return w.routine()


def _count_down(counter: int) -> list[str]:
    return [f"ldr r0, [sp, #{counter}]", "subs r0, r0, #1", f"str r0, [sp, #{counter}]"]


def _round(w: Writer, s: Schedule) -> None:
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
    if len(s.rounds) > 1:
        w(f"ldr r0, [sp, #{STRIP}]", "adds r0, r0, #4", f"str r0, [sp, #{STRIP}]")
    for name, chunks in zip(("first", "next"), s.rounds[0], strict=True):
        if chunks:
            _chunks(w, s, name, len(chunks))


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


def _chunks(w: Writer, s: Schedule, name: str, count: int) -> None:
    """Multiply `count` chunks, one after another, by all channels."""
    first = name == "first"
    w(f"movs r0, #{count}", f"str r0, [sp, #{COUNT}]")
    with w.loop(name, *_count_down(COUNT)):
        # r0 where the sums lie, r1 where the chunk's stream ends, r2 r3 where the values lie
        w(f"ldm lr!, {{r0, {', '.join(['r2', 'r3'][: s.pieces])}}}", f"ldrd r4, r5, [sp, #{VALUES}]", "add r0, r0, r5")
        for piece in range(s.pieces):
            low = piece * 2 * s.piece
            w(f"add r{2 + piece}, r{2 + piece}, r4", f"vldm r{2 + piece}, {{s{low}-s{low + 2 * s.piece - 1}}}")
        w(f"ldr r1, [sp, #{FIRST_BYTES if first else NEXT_BYTES}]", "add r1, r1, lr", f"strd r0, r1, [sp, #{SUM}]")
        with w.loop(f"{name}_group", "cmp lr, r1"):
            w(*(["ldm lr!, {r4-r7}"] if first else [f"ldr r0, [sp, #{SUM}]", "ldm r0, {r4-r11}"]))
            for pair in range(0, s.pairs, 2):
                _multiply(w, pair, first=first and pair == 0)
            w(f"ldrd r0, r1, [sp, #{SUM}]", "stm r0, {r4-r11}", f"addw r0, r0, #{s.method.sums * LANES_BYTES}")
            w(f"str r0, [sp, #{SUM}]")


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


def product_times(s: Schedule, out_c: int) -> dict[str, int]:
    """Return how often one call of `products` runs each of its blocks."""
    rounds, rows, groups = len(s.rounds), s.method.span, out_c // GROUP
    times = {"call": 1, "round": rounds}
    for name, chunks in zip(("first", "next"), s.rounds[0], strict=True):
        if chunks:
            times |= {name: rounds * len(chunks), f"{name}_group": rounds * len(chunks) * groups}
    if s.method.rows > 1:
        times["row"] = rows
    return times | {f"across_{tile}": rows * s.depth // 4 for tile in range(TILES)}
