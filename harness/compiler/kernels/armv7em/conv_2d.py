"""CONV_2D as pairs of pixels times channels: see product.py, and conv_2d_armv7em.h for the rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.compiler.kernels.armv7em import product
from harness.compiler.kernels.armv7em.gather import Step, order, steps, window_runs
from harness.compiler.kernels.armv7em.product import Loads, Plan
from harness.compiler.kernels.conv_2d import Convolution, read
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Int64s
from harness.compiler.layer import Layer, ShapeValue, int32_constant
from harness.compiler.routine import NOTHING, Cost, Routine

UNROLL_LIMIT = 80
"""Pairs of k in one pass of the inner loop at most: 48 bytes of code each."""


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
    """Channels that one routine computes: all groups of four, or the rest."""

    plan: Plan
    routine: Routine
    chunks: int


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer with each kind of loads."""
    conv = read(node)
    for loads in ("ldrd", "ldr"):
        layer = _layer(conv, loads)
        if layer is not None:
            yield layer


def _layer(conv: Convolution, loads: Loads) -> Layer | None:
    rows, place = _rows(conv), conv.place
    dilation = (place["dilation_h"], place["dilation_w"])
    window = steps(window_runs(place["kernel_h"], place["kernel_w"], conv.in_c, rows.row_bytes, dilation))
    where, whole, stairs = order(window), conv.out_c - conv.out_c % 4, conv.stairs()
    if 4 * where.size > product.FRAME_LIMIT:
        return None
    parts = []
    for first, last in ((0, whole), (whole, conv.out_c)):
        channels, part = slice(first, last), None
        if first < last:
            bias = conv.bias[channels].astype(np.int64)
            plan = product.plan(conv.matrix[channels], bias, stairs.part(channels), where, loads)
            if plan is None:
                return None
            part = _part(conv, rows, window, plan, min(4, last - first))
        parts.append(part)
    return _assemble(conv, rows, parts[0], parts[1])


def _rows(conv: Convolution) -> Rows:
    """Choose how to walk: directly where nothing is padded, and along the axis that wastes fewer halves of a pair."""
    p = conv.place
    if conv.pointwise and p["stride_h"] == p["stride_w"] == 1:
        return Rows(1, 0, p["in_w"] * conv.in_c, False, 1, p["batches"] * p["out_h"] * p["out_w"])
    reach_w = (p["out_w"] - 1) * p["stride_w"] + (p["kernel_w"] - 1) * p["dilation_w"] + 1
    reach_h = (p["kernel_h"] - 1) * p["dilation_h"] + 1
    vertical = p["out_w"] % 2 * p["out_h"] > p["out_h"] % 2 * p["out_w"]
    inside = p["pad_h"] == p["pad_w"] == 0 and reach_w <= p["in_w"]
    if inside and (p["out_h"] - 1) * p["stride_h"] + reach_h <= p["in_h"]:
        return Rows(p["batches"], 0, p["in_w"] * conv.in_c, vertical, p["out_h"], p["out_w"])
    width = max(reach_w, p["in_w"] + p["pad_w"]) * conv.in_c
    strip = reach_h + vertical * p["stride_h"]
    return Rows(p["batches"], strip, -(-width // 4) * 4, vertical, p["out_h"], p["out_w"])


def _part(conv: Convolution, rows: Rows, window: list[Step], plan: Plan, stores: int) -> Part:
    p = conv.place
    pairs = order(window).size // 2
    unroll = next(u for u in range(min(pairs, UNROLL_LIMIT), 0, -1) if pairs % u == 0)
    geometry = f"{p['kernel_h']}x{p['kernel_w']}x{conv.in_c}"
    if p["kernel_h"] > 1:
        geometry += f"_{rows.row_bytes}"
    if p["dilation_h"] * p["dilation_w"] > 1:
        geometry += f"_d{p['dilation_h']}x{p['dilation_w']}"
    name = f"product_{geometry}_{plan.loads}_{plan.tail.name}" + ("" if stores == 4 else f"_store{stores}")
    return Part(plan, product.routine(name, window, plan, unroll=unroll, stores=stores), pairs // unroll)


def _assemble(conv: Convolution, rows: Rows, whole: Part | None, rest: Part | None) -> Layer:
    p = conv.place
    step_in, step_out, pixels = p["stride_w"] * conv.in_c, conv.out_c, rows.out_w
    below_in, below_out = p["stride_h"] * rows.row_bytes, conv.out_c * pixels
    # A run: pixels or pairs, the step from one to the next, where its second pixel lies; the same for the output.
    if rows.vertical:
        pair, single = (pixels, step_in, below_in, step_out, below_out), (pixels, step_in, 0, step_out, 0)
        single_at = 0
    else:
        pair, single = (pixels // 2, 2 * step_in, step_in, 2 * step_out, step_out), (pixels % 2, 0, 0, 0, 0)
        single_at = pixels - 1
    parts = [part for part in (whole, rest) if part]
    shape: dict[str, ShapeValue] = {
        "batches": rows.batches, "in_h": p["in_h"], "in_row": p["in_w"] * conv.in_c, "pad_h": p["pad_h"],
        "pad_row": p["pad_w"] * conv.in_c, "input_zero_point": conv.input_zero_point, "stride_h": p["stride_h"],
        "strip_rows": rows.strip_rows, "strip_row": rows.row_bytes,
        "out_h": rows.out_h, "out_row": below_out, "vertical": int(rows.vertical),
        "single_in": single_at * step_in, "single_out": single_at * step_out,
        **_uses("whole", whole, 0, 0, pair, single),
        **_uses("rest", rest, conv.out_c // 4 * 4, whole.plan.stream.size if whole else 0, pair, single),
    }  # fmt: skip
    eaten = rows.strip_rows > 0 or len(parts) == 1
    return Layer(
        index=0,
        name=conv.name,
        op="CONV_2D",
        kernel="conv_2d_armv7em",
        shape=shape,
        inputs=(conv.input,),
        outputs=(conv.output,),
        constants=(int32_constant("stream", words(np.concatenate([part.plan.stream for part in parts]))),),
        scratch_bytes=rows.strip_rows * rows.row_bytes,
        macs=conv.macs,
        overlaps={conv.input: _distance(conv, rows)} if eaten else {},
        routines=tuple(part.routine for part in parts),
        estimate=_estimate(rows, parts),
    )


def _uses(
    name: str, part: Part | None, channel: int, stream: int, pair: tuple[int, ...], single: tuple[int, ...]
) -> dict[str, ShapeValue]:
    """Return the fields that say what to call for some channels, and where their outputs and their stream begin."""
    fields = ("pairs", "step", "second", "out_step", "out_second")
    size = 4 * part.plan.stream.size if part else 0
    return {
        name: part.routine.name if part else "0",
        f"{name}_channel": channel,
        f"{name}_stream": stream,
        f"{name}_pair": {**dict(zip(fields, pair, strict=True)), "stream_bytes": size},
        f"{name}_single": {**dict(zip(fields, single, strict=True)), "stream_bytes": size},
    }


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


def _estimate(rows: Rows, parts: list[Part]) -> Cost:
    """Add up the routines' blocks and the C around them (compiled by gcc 12 -O2)."""
    steps_down = -(-rows.out_h // rows.lines)
    per_step = 1 if rows.vertical else min(1, rows.out_w // 2) + rows.out_w % 2
    pairs = rows.out_w if rows.vertical else -(-rows.out_w // 2)
    total = NOTHING
    for part in parts:
        times = {"call": per_step, "pair": pairs, "tile": pairs * part.plan.tiles}
        if part.chunks > 1:
            times["chunk"] = pairs * part.plan.tiles * part.chunks
        total += part.routine.cost(**times) + Cost(12, 20) * per_step
    total = total * steps_down + Cost(30, 40)
    if rows.strip_rows:
        strip = rows.strip_rows * rows.row_bytes
        total += Cost(0.4, 0.6) * (strip * (1 + steps_down)) + Cost(40, 60) * steps_down
    return total * rows.batches
