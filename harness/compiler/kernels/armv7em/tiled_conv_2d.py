"""CONV_2D with 3x3 windows by transformed tiles: see tiles.py, and conv_2d_tiles_armv7em.h for the bands of tiles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.compiler.kernels.armv7em import polyphase, winograd
from harness.compiler.kernels.armv7em.conv_2d import words
from harness.compiler.kernels.armv7em.tile_products import columns, product_times, products
from harness.compiler.kernels.armv7em.tiles import (
    GROUP,
    LANES_BYTES,
    STEP,
    TILES,
    Finish,
    Method,
    Schedule,
    Tail,
    schedules,
    stream,
)
from harness.compiler.kernels.conv_2d import Convolution, read
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Int64s, Staircase
from harness.compiler.layer import Layer, ShapeValue, int32_constant
from harness.compiler.routine import Cost, Routine

UNROLL, LOOP_PAIRS = (4, 2, 1), 32
"""Groups of four channels written out in the inner loop: as many as divide a layer's, in 1.4 KB of code."""
MOST_CHANNELS = 1024
"""Output channels: a store reaches the last column of a tile with an immediate offset."""


@dataclass(frozen=True)
class Kind:
    """A method, and what is its own of the routines."""

    method: Method
    stride: int
    finish: Callable[[Int64s, Int64s, Staircase], Finish | None]
    outputs: Callable[[int, Tail], Routine]


KINDS = (
    Kind(winograd.WINOGRAD, 1, winograd.finish, winograd.outputs),
    Kind(polyphase.POLYPHASE, 2, polyphase.finish, polyphase.outputs),
)


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer with each order of the products."""
    conv = read(node)
    p = conv.place
    plain = (p["kernel_h"], p["kernel_w"], p["dilation_h"], p["dilation_w"]) == (3, 3, 1, 1)
    if not plain or conv.in_c % 4 or conv.out_c % GROUP or conv.out_c > MOST_CHANNELS:
        return
    for kind in KINDS:
        if p["stride_h"] == p["stride_w"] == kind.stride:
            matrix = conv.matrix.astype(np.int64).reshape(conv.out_c, 3, 3, conv.in_c)
            finish = kind.finish(matrix, conv.bias.astype(np.int64), conv.stairs())
            for schedule in schedules(kind.method, conv.in_c) if finish else ():
                assert finish is not None
                yield _layer(conv, kind, schedule, finish, stream(schedule, matrix, finish))


def _layer(conv: Convolution, kind: Kind, s: Schedule, finish: Finish, stream_: Int64s) -> Layer:
    p, m, groups = conv.place, kind.method, conv.out_c // GROUP
    unroll = next(n for n in UNROLL if groups % n == 0 and (n == 1 or n * s.piece * s.pieces <= LOOP_PAIRS))
    routines = (columns(m), products(s, unroll), kind.outputs(conv.out_c, finish.tail))
    strip_columns = TILES * STEP * _pairs(conv, m) + m.span - STEP
    strip, values = strip_columns * m.column_bytes(conv.in_c), m.values_bytes(conv.in_c)
    ragged = p["out_h"] % m.size or p["out_w"] % m.size
    copied = m.span * p["in_w"] * conv.in_c if any(not inside for _, inside in _bands(conv, m)) else 0
    work = max(copied, values + m.sums * LANES_BYTES * groups)
    shape: dict[str, ShapeValue] = {
        "batches": p["batches"], "in_h": p["in_h"], "in_w": p["in_w"], "in_c": conv.in_c, "pad_h": p["pad_h"],
        "pad_w": p["pad_w"], "input_zero_point": conv.input_zero_point,
        "out_h": p["out_h"], "out_w": p["out_w"], "out_c": conv.out_c,
        "size": m.size, "span": m.span, "tile_step": STEP,
        "column": m.column_bytes(conv.in_c), "columns": strip_columns, "padding": _padding(conv, m),
        "strip_bytes": strip, "sums": values, "tile": work, "second": 4 * GROUP,
        "transform": routines[0].name, "products": routines[1].name, "outputs": routines[2].name,
    }  # fmt: skip
    return Layer(
        index=0,
        name=conv.name,
        op="CONV_2D",
        kernel="conv_2d_tiles_armv7em",
        shape=shape,
        inputs=(conv.input,),
        outputs=(conv.output,),
        constants=(int32_constant("stream", words(stream_)), int32_constant("constants", words(finish.words))),
        scratch_bytes=strip + work + (m.size**2 * conv.out_c if ragged else 0),
        macs=conv.macs,
        overlaps={conv.input: _distance(conv, m)} if p["batches"] == 1 else {},
        routines=routines,
        transformed=True,
        estimate=_estimate(conv, s, routines, unroll),
    )


def _pairs(conv: Convolution, m: Method) -> int:
    """Return the pairs of tiles of a band."""
    return -(-conv.place["out_w"] // (TILES * m.size))


def _bands(conv: Convolution, m: Method) -> Iterator[tuple[int, bool]]:
    """Yield the first input row of each band, and whether all its rows are inside."""
    p = conv.place
    for band in range(-(-p["out_h"] // m.size)):
        top = band * STEP - p["pad_h"]
        yield top, top >= 0 and top + m.span <= p["in_h"]


def _padding(conv: Convolution, m: Method) -> tuple[int, ...]:
    """Return a transformed column of padding as words, as `columns` would leave it; six of them."""
    zero = conv.input_zero_point + (winograd.OFFSET if m.constant else 0)
    sums = [sum(row) * zero for row in m.inputs]
    halves = [total * 0x10001 if m.low else (total & 0xFFFF) * 0x10001 for total in sums]
    return tuple(words(np.array(halves + [0] * (6 - m.span), dtype=np.int64)).tolist())


def _distance(conv: Convolution, m: Method) -> int:
    """Return how far the input must lie behind the output: a band is read whole before any of it is written."""
    p = conv.place
    tops = [top for top, _ in _bands(conv, m)][1:]
    written = np.arange(1, len(tops) + 1) * m.size * p["out_w"] * conv.out_c
    unread = np.maximum(0, np.array(tops, dtype=np.int64)) * p["in_w"] * conv.in_c
    return max(0, int((written - unread).max(initial=0)))


def _estimate(conv: Convolution, s: Schedule, routines: tuple[Routine, ...], unroll: int) -> Cost:
    """Add up the routines' blocks and the C around them (compiled by gcc 12 -O2)."""
    p, m = conv.place, s.method
    (columns_, products_, outputs_), groups = routines, conv.out_c // GROUP
    bands, pairs, tiles = list(_bands(conv, m)), _pairs(conv, m), -(-p["out_w"] // m.size)
    band = columns_.cost(call=1, word=p["in_w"] * conv.in_c // 4) + Cost(40, 60)
    band += (products_.cost(**product_times(s, groups, unroll)) + Cost(20, 30)) * pairs
    band += (outputs_.cost(call=1, group=groups, channel=conv.out_c) + Cost(20, 30)) * tiles
    copied = sum(m.span * p["in_w"] * conv.in_c for _, inside in bands if not inside)
    return (band * len(bands) + Cost(0.5, 0.8) * copied) * p["batches"] + Cost(60, 90)
