"""CONV_2D and the DEPTHWISE_CONV_2D that alone reads it, rolled: see rolled_armv7em.h.

It saves the memory of what lies between, for some instructions: rows are copied as the window moves, and the shorter
bands are, the more lines are widened twice.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from harness.compiler.kernels.armv7em import conv_2d, depthwise_conv_2d
from harness.compiler.kernels.armv7em.gather import WORD
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer
from harness.compiler.routine import Cost

BANDS = (1, 2, 4, 8)
"""Rows of output in one step, to choose from."""


def candidates(conv: Node, depthwise: Node) -> Iterator[Layer]:
    """Yield both operators as one layer, for bands of several heights."""
    if conv.input().shape[0] != 1:
        return
    seconds = list(depthwise_conv_2d.rolled(depthwise, BANDS))
    for first in conv_2d.candidates(conv, row_by_row=True):
        for second in seconds:
            yield _roll(first, second)


def _roll(first: Layer, second: Layer) -> Layer:
    f, s = first.shape, second.shape
    row, lines = _number(s["in_step"]), _number(s["out_lines"])
    # The frame behind the window is read by words.
    window = -(-max(last - begin for begin, last, _ in _bands(second)) * row // WORD) * WORD
    conv_scratch = first.scratch_bytes or 0
    assert first.estimate and second.estimate
    bands = list(_bands(second))
    kept = sum(max(0, before[1] - band[0]) for before, band in pairwise(bands)) * row
    return Layer(
        index=0,
        name=second.name,
        op=f"{first.op}+{second.op}",
        kernel="rolled_armv7em",
        shape={"conv": f, "depthwise": s, "window_bytes": window, "conv_scratch_bytes": conv_scratch},
        inputs=first.inputs,
        outputs=second.outputs,
        constants=(
            *(replace(constant, role="conv_stream") for constant in first.constants),
            *(replace(constant, role="depthwise_stream") for constant in second.constants),
        ),
        scratch_bytes=window + conv_scratch + (second.scratch_bytes or 0),
        macs=first.macs + second.macs,
        overlaps={first.inputs[0]: _distance(first, second)},
        routines=(*first.routines, *second.routines),
        note=f"rolled, {second.shape['band']} rows a step: {first.note}",
        estimate=first.estimate + second.estimate + Cost(0.4, 0.6) * kept + Cost(15, 25) * (lines + len(bands)),
    )


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _bands(second: Layer) -> Iterator[tuple[int, int, int]]:
    """Yield, for each band, the first row it reads, one past the last, and one past the last row it writes."""
    s = {name: value for name, value in second.shape.items() if isinstance(value, int)}
    for y in range(0, s["out_lines"], s["band"]):
        end = min(s["out_lines"], y + s["band"])
        top = y * s["stride"] - s["pad"]
        yield max(0, top), min(s["in_lines"], top + (end - 1 - y) * s["stride"] + s["taps"]), end


def _distance(first: Layer, second: Layer) -> int:
    """Return how far the input must lie behind the output: a band is written when all its rows were read."""
    f = {name: value for name, value in first.shape.items() if isinstance(value, int)}
    out_step = _number(second.shape["out_step"])
    worst = 0
    for _, last, end in _bands(second):
        rows = (
            last * f["stride_h"] if not f["strip_rows"] else (last - 1) * f["stride_h"] - f["pad_h"] + f["strip_rows"]
        )
        worst = max(worst, end * out_step - min(f["in_h"], max(0, rows)) * f["in_row"])
    return worst
