"""CONV_2D as pairs of pixels times channels: see product.py, and conv_2d_armv7em.h for the rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product as combinations

import numpy as np
from numpy.typing import NDArray

from harness.compiler.kernels.armv7em import product
from harness.compiler.kernels.armv7em.gather import WORD, Geometry, Window, windows
from harness.compiler.kernels.armv7em.product import Arithmetic, Loads
from harness.compiler.kernels.conv_2d import Convolution, read
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import IRREGULAR, Int64s
from harness.compiler.layer import Layer, ShapeValue, int32_constant
from harness.compiler.routine import NOTHING, Cost, Routine

WHOLE_LIMIT = 80
"""Pairs of k that may be written out without a loop: 48 bytes of code each."""
LOOPS = (72, 32, 16, 8, 4, 2, 1)
"""Pairs of k in one pass of a loop over them, which layers of any depth that it divides share."""


@dataclass(frozen=True)
class Rows:
    """How the rows of a layer are walked.

    Attributes:
        batches: 1 where all pixels of all batches are one row.
        strip_rows: rows of input that lie in the strip at once; 0 where the input is read directly.
        row_bytes: from a row to the next, in the strip or the input.
        vertical: a pair is a pixel and the one below it; else the one to its right.
        out_h: rows of output, 1 where all pixels are one row.
        out_w: pixels in a row.
    """

    batches: int
    strip_rows: int
    row_bytes: int
    vertical: bool
    out_h: int
    out_w: int

    @property
    def lines(self) -> int:
        """Return how many rows of output one step makes."""
        return 1 + self.vertical


@dataclass(frozen=True)
class Part:
    """Channels that one routine computes: all groups of four, or the rest.

    Attributes:
        arithmetic: their constants.
        stores: how many of each four channels are stored.
        first: channel.
    """

    arithmetic: Arithmetic
    stores: int
    first: int


@dataclass(frozen=True)
class Choice:
    """One way to write the inner loop."""

    loads: Loads
    unroll: int
    looped: bool


def candidates(node: Node, *, row_by_row: bool = False) -> Iterator[Layer]:
    """Yield the layer with each kind of inner loop.

    Args:
        node: the operator.
        row_by_row: whether each step must make one row of output.
    """
    conv = read(node)
    rows = _rows(conv, row_by_row=row_by_row)
    parts = _parts(conv)
    if parts is None:
        return
    for window in _windows(conv, rows):
        if 4 * window.order.size <= product.FRAME_LIMIT:
            for choice in _choices(window, shared=all(part.arithmetic.shared for part in parts)):
                yield _assemble(conv, rows, window, parts, choice)


def refusal(node: Node) -> str:
    """Say why there is no candidate."""
    conv = read(node)
    if not conv.stairs().regular:
        return IRREGULAR
    return f"a window of {conv.matrix.shape[1]} products; at most {product.FRAME_LIMIT // 4}"


def _choices(window: Window, *, shared: bool) -> Iterator[Choice]:
    pairs = window.order.size // 2
    kinds: tuple[Loads, ...] = ("ldrd", "ldr") if shared else ("wide",)
    for loads in kinds:
        if pairs <= WHOLE_LIMIT or window.gather.kind == "steps":
            yield Choice(loads, pairs, looped=False)
    if window.gather.kind != "steps":
        for loads, unroll in combinations(kinds, LOOPS):
            if pairs % unroll == 0:
                yield Choice(loads, unroll, looped=True)


def _parts(conv: Convolution) -> list[Part] | None:
    """Return all groups of four channels, and the rest: they have one inner loop, so both share products or neither."""
    parts = _parts_that(conv, share=True)
    if parts and not all(part.arithmetic.shared for part in parts):
        return _parts_that(conv, share=False)
    return parts


def _parts_that(conv: Convolution, *, share: bool) -> list[Part] | None:
    whole, stairs, parts = conv.out_c - conv.out_c % 4, conv.stairs(), []
    for first, last in ((0, whole), (whole, conv.out_c)):
        if first == last:
            continue
        channels = slice(first, last)
        bias = conv.bias[channels].astype(np.int64)
        arithmetic = product.arithmetic(conv.matrix[channels], bias, stairs.part(channels), share=share)
        if arithmetic is None:
            return None
        parts.append(Part(arithmetic, min(4, last - first), first))
    return parts


def _windows(conv: Convolution, rows: Rows) -> Iterator[Window]:
    p = conv.place
    geometry = Geometry(
        p["kernel_h"], p["kernel_w"], conv.in_c, rows.row_bytes, (p["dilation_h"], p["dilation_w"]), p["stride_w"]
    )
    return windows(geometry, neighbours=rows.strip_rows > 0 and not rows.vertical)


def _rows(conv: Convolution, *, row_by_row: bool) -> Rows:
    """Choose how to walk: directly where nothing is padded, and along the axis that wastes fewer halves of a pair."""
    p = conv.place
    if conv.pointwise and p["stride_h"] == p["stride_w"] == 1 and not row_by_row:
        return Rows(1, 0, p["in_w"] * conv.in_c, False, 1, p["batches"] * p["out_h"] * p["out_w"])
    reach_w = (p["out_w"] - 1) * p["stride_w"] + (p["kernel_w"] - 1) * p["dilation_w"] + 1
    reach_h = (p["kernel_h"] - 1) * p["dilation_h"] + 1
    vertical = p["out_w"] % 2 * p["out_h"] > p["out_h"] % 2 * p["out_w"] and not row_by_row
    inside = p["pad_h"] == p["pad_w"] == 0 and reach_w <= p["in_w"]
    if inside and (p["out_h"] - 1) * p["stride_h"] + reach_h <= p["in_h"]:
        return Rows(p["batches"], 0, p["in_w"] * conv.in_c, vertical, p["out_h"], p["out_w"])
    width = max(reach_w, p["in_w"] + p["pad_w"]) * conv.in_c
    strip = reach_h + vertical * p["stride_h"]
    return Rows(p["batches"], strip, -(-width // WORD) * WORD, vertical, p["out_h"], p["out_w"])


def _assemble(conv: Convolution, rows: Rows, window: Window, parts: list[Part], choice: Choice) -> Layer:
    depth = 0 if choice.looped else window.order.size
    routines = [
        product.routine(window.gather, depth, choice.unroll, choice.loads, part.arithmetic.tail, part.stores)
        for part in parts
    ]
    streams = [product.stream(part.arithmetic, window.order) for part in parts]
    whole = [i for i, part in enumerate(parts) if part.stores == 4]
    rest = [i for i, part in enumerate(parts) if part.stores < 4]
    run = _runs(conv, rows, window)
    p = conv.place
    shape: dict[str, ShapeValue] = {
        "batches": rows.batches, "in_h": p["in_h"], "in_row": p["in_w"] * conv.in_c, "pad_h": p["pad_h"],
        "pad_row": p["pad_w"] * conv.in_c, "input_zero_point": conv.input_zero_point, "stride_h": p["stride_h"],
        "strip_rows": rows.strip_rows, "strip_row": rows.row_bytes, "strip_bytes": _strip(conv, rows, window),
        "out_h": rows.out_h, "out_row": conv.out_c * rows.out_w, "vertical": int(rows.vertical),
        "single_in": 0 if rows.vertical else (rows.out_w - 1) * p["stride_w"] * conv.in_c,
        "single_out": 0 if rows.vertical else (rows.out_w - 1) * conv.out_c,
    }  # fmt: skip
    for name, which in (("whole", whole), ("rest", rest)):
        index = which[0] if which else None
        words_ = 0 if index is None else streams[index].size
        shape |= {
            name: "0" if index is None else routines[index].name,
            f"{name}_channel": 0 if index is None else parts[index].first,
            f"{name}_stream": streams[0].size if index == 1 else 0,
            f"{name}_pair": run("pair", 4 * words_),
            f"{name}_single": run("single", 4 * words_),
        }
    eaten = rows.strip_rows > 0 or len(parts) == 1
    return Layer(
        index=0,
        name=conv.name,
        op="CONV_2D",
        kernel="conv_2d_armv7em",
        shape=shape,
        inputs=(conv.input,),
        outputs=(conv.output,),
        constants=(int32_constant("stream", words(np.concatenate(streams))),),
        scratch_bytes=_strip(conv, rows, window) + 4 * window.order.size,
        macs=conv.macs,
        overlaps={conv.input: _distance(conv, rows)} if eaten else {},
        routines=tuple(routines),
        note=f"2 pixels x 4 channels, {choice.unroll} pairs a pass, {choice.loads.upper()}",
        estimate=_estimate(conv, rows, window, choice, list(zip(parts, routines, strict=True))),
    )


def _strip(conv: Convolution, rows: Rows, window: Window) -> int:
    """Return the bytes of the strip; a column more where a second pixel may be read that is not there."""
    slack = conv.in_c if window.gather.kind == "columns" else 0
    return -(-(rows.strip_rows * rows.row_bytes + slack) // 4) * 4 if rows.strip_rows else 0


def _runs(conv: Convolution, rows: Rows, window: Window) -> Callable[[str, int], dict[str, int]]:
    """Return what makes a product_run: of pairs, or of pixels without a partner."""
    p = conv.place
    step_in, step_out, pixels = p["stride_w"] * conv.in_c, conv.out_c, rows.out_w
    if rows.vertical:
        below_in, below_out = p["stride_h"] * rows.row_bytes, conv.out_c * pixels
        steps = {"pair": (pixels, step_in, below_in, step_out, below_out), "single": (pixels, step_in, 0, step_out, 0)}
    else:
        steps = {
            "pair": (pixels // 2, 2 * step_in, step_in, 2 * step_out, step_out),
            "single": (pixels % 2, 0, 0, 0, 0),
        }

    def run(which: str, stream_bytes: int) -> dict[str, int]:
        fields = dict(zip(("pairs", "step", "second", "out_step", "out_second"), steps[which], strict=True))
        told = {"rows": window.rows, "groups": window.groups, "skip": window.skip}
        return {
            **fields,
            "stream_bytes": stream_bytes,
            **told,
            "frame_bytes": 4 * window.order.size,
            "column": window.column,
        }

    return run


def words(values: Int64s) -> NDArray[np.int32]:
    """Return values modulo 2^32."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def _distance(conv: Convolution, rows: Rows) -> int:
    """Return how far the input must lie behind the output, so that no byte is written before it was read."""
    p = conv.place
    in_row, out_row = p["in_w"] * conv.in_c, conv.out_c * rows.out_w
    if rows.out_h == 1 and not rows.strip_rows and conv.pointwise and p["stride_h"] == p["stride_w"] == 1:
        return max(0, rows.out_w * (conv.out_c - conv.in_c))
    first = np.arange(0, p["out_h"], rows.lines)
    if rows.strip_rows:
        written = np.minimum(first + rows.lines, p["out_h"]) * out_row
        unread = np.clip(first * p["stride_h"] - p["pad_h"] + rows.strip_rows, 0, p["in_h"]) * in_row
    else:
        y, x = first[:, None], np.arange(p["out_w"])[None, :]
        written = (y + rows.lines - 1) * out_row + (x + 2) * conv.out_c
        unread = y * p["stride_h"] * in_row + x * p["stride_w"] * conv.in_c
    worst = int((written - unread).max())
    return max(0, worst, worst + (p["batches"] - 1) * (p["out_h"] * out_row - p["in_h"] * in_row))


def _estimate(conv: Convolution, rows: Rows, window: Window, choice: Choice, parts: list[tuple[Part, Routine]]) -> Cost:
    """Add up the routines' blocks and the C around them (compiled by gcc 12 -O2)."""
    steps_down = -(-rows.out_h // rows.lines)
    calls = 1 if rows.vertical else min(1, rows.out_w // 2) + rows.out_w % 2
    pairs = rows.out_w if rows.vertical else -(-rows.out_w // 2)
    total = NOTHING
    for part, routine in parts:
        tiles = pairs * part.arithmetic.tiles
        times = {"call": calls, "pair": pairs, "tile": tiles}
        if choice.looped:
            times["chunk"] = tiles * (window.order.size // 2 // choice.unroll)
        if window.rows:
            times |= {"row": pairs * window.rows, "group": pairs * window.rows * window.groups}
        total += routine.cost(**times) + Cost(12, 20) * calls
    total = total * steps_down + Cost(30, 40)
    if rows.strip_rows:
        strip = rows.strip_rows * rows.row_bytes
        total += Cost(0.4, 0.6) * (strip * (1 + steps_down)) + Cost(40, 60) * steps_down
    return total * rows.batches
