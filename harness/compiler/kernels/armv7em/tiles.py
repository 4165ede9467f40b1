"""Convolutions tile by tile in a transformed domain, where an output costs fewer products (winograd.py, polyphase.py).

Along each axis a tile's outputs are y = A (G w . B x): B takes the `span` inputs x of a tile to as many parts, G the
three weights, the parts are multiplied and summed over the input channels, A adds sums up to outputs. In the plane that
makes span^2 positions. Three routines share the work:

    columns   B down the columns of a band: rows of input, widened to int16, into the strip. Elementwise, so it knows
              neither width nor depth, and columns that two tiles share are done once
    products  B along the strip for two tiles, then the products, below
    outputs   A, requantisation and stores, one tile and one channel at a time (winograd.py, polyphase.py)

The first two are in tile_products.py. Halves of a word are two input channels; B works on both at once. A sum of more
values than fit the registers, or of several positions, is made in several chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.compiler.kernels.staircase import Int64s

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
        first: whether it begins that sum; else it continues it.
        pieces: (row of parts, column of parts, first pair of channels).
    """

    sum: int
    first: bool
    pieces: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Section:
    """Chunks of one form, one after another."""

    first: bool
    pieces: int
    chunks: tuple[Chunk, ...]

    @property
    def name(self) -> str:
        """Return the name of the loop over its chunks."""
        return ("first" if self.first else "next") + str(self.pieces)


@dataclass(frozen=True)
class Schedule:
    """The order of the products.

    Attributes:
        method: how values are made.
        depth: input channels.
        piece: pairs of channels of a piece.
        pieces: of a chunk at most.
        rounds: for each `method.rows` rows of parts their products; all rounds alike.
    """

    method: Method
    depth: int
    piece: int
    pieces: int
    rounds: tuple[tuple[Section, ...], ...]

    @property
    def name(self) -> str:
        """Return a part of the routine's name."""
        return f"{self.method.name}_k{self.depth}" + (f"x{self.pieces}" if self.pieces > 1 else "")


def schedules(method: Method, depth: int) -> Iterator[Schedule]:
    """Yield the orders of the products of `depth` input channels, a multiple of 4."""
    half = depth // 2
    if (method.span - 1) * 4 * depth > MAX_OFFSET:
        return
    piece = max(n for n in range(2, MOST_PAIRS + 1, 2) if half % n == 0)
    for pieces in (1, 2) if method.sums < method.span**2 and 2 * half <= MOST_PAIRS else (1,):
        rounds = (_round(method, half, piece, pieces, top) for top in range(0, method.span, method.rows))
        yield Schedule(method, depth, piece, pieces, tuple(rounds))


def _round(method: Method, half: int, piece: int, pieces: int, top: int) -> tuple[Section, ...]:
    """Return the products of the rows of parts from `top` on."""
    across = max(method.groups) + 1
    found: dict[int, list[tuple[int, int, int]]] = {}
    for i in range(top, top + method.rows):
        for j in range(method.span):
            place = found.setdefault(method.groups[i] * across + method.groups[j], [])
            place += [(i, j, k) for k in range(0, half, piece)]
    chunks = [
        Chunk(target, n == 0, tuple(all_[n : n + pieces]))
        for target, all_ in found.items()
        for n in range(0, len(all_), pieces)
    ]
    forms = sorted({(not chunk.first, -len(chunk.pieces)) for chunk in chunks})
    return tuple(
        Section(not later, -count, tuple(c for c in chunks if c.first != later and len(c.pieces) == -count))
        for later, count in forms
    )


def stream(s: Schedule, matrix: Int64s, finish: Finish) -> Int64s:
    """Lay out the products' constants as they are read: words, to be stored modulo 2^32.

    Args:
        s: the order.
        matrix: (out_c, 3, 3, in_c) weights.
        finish: has the bias.
    """
    weights = s.method.transformed(matrix) * finish.scale
    words, groups, first = [], weights.shape[2] // GROUP, _first_sums(s.method, weights, finish.bias)
    for chunk in (chunk for sections in s.rounds for section in sections for chunk in section.chunks):
        body = [_pairs(s, weights, piece).reshape(groups, -1) for piece in chunk.pieces]
        begin = [first[chunk.sum].reshape(groups, GROUP)] if chunk.first else []
        words.append(np.array([chunk.sum * LANES_BYTES, *(_offset(s, piece) for piece in chunk.pieces)]))
        words.append(np.concatenate([*begin, *body], axis=1).ravel())
    return np.concatenate(words)


def _first_sums(method: Method, weights: Int64s, bias: Int64s) -> Int64s:
    """Return (sums, out_c): the bias where it belongs, and less what `low` adds to the products."""
    result = np.zeros((method.sums, weights.shape[2]), dtype=np.int64)
    result[method.bias_at] = bias
    low_halves = weights.reshape(*weights.shape[:3], -1, 4)[..., :2].sum(axis=(3, 4))
    across = max(method.groups) + 1
    for i in range(method.span):
        for j in range(method.span):
            result[method.groups[i] * across + method.groups[j]] -= method.low * low_halves[i, j]
    return result


def _pairs(s: Schedule, weights: Int64s, piece: tuple[int, int, int]) -> Int64s:
    """Return (groups, pairs, 4) words: weights of channels (4q, 4q + 2), (4q + 1, 4q + 3), ..."""
    i, j, first = piece
    groups = weights.shape[2] // GROUP
    quads = weights[i, j].reshape(groups, GROUP, -1, 2, 2)  # group, channel, q, half of the pair, which pair
    words: Int64s = (quads[..., 0, :] & 0xFFFF) | ((quads[..., 1, :] & 0xFFFF) << 16)
    return words.reshape(groups, GROUP, -1).transpose(0, 2, 1)[:, first : first + s.piece]


def _offset(s: Schedule, piece: tuple[int, int, int]) -> int:
    """Return where the values of a piece lie."""
    i, j, first = piece
    return (i % s.method.rows * s.method.span + j) * 4 * s.depth + 8 * first
