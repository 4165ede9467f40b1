"""DEPTHWISE_CONV_2D: see depthwise.py and depthwise_wide.py, and depthwise_conv_2d_armv7em.h for the bands."""

from collections.abc import Iterable, Iterator

import numpy as np

from harness.compiler.kernels.armv7em import depthwise, depthwise_wide
from harness.compiler.kernels.armv7em.conv_2d import words
from harness.compiler.kernels.armv7em.depthwise import TAPS, Axis, Geometry, Plan
from harness.compiler.kernels.armv7em.depthwise_wide import WideGeometry
from harness.compiler.kernels.depthwise_conv_2d import Depthwise, read
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import IRREGULAR
from harness.compiler.layer import Layer, int32_constant
from harness.compiler.routine import NOTHING, Cost, Routine

SCRATCH = 2048
"""Bytes of scratch up to which a whole plane is widened at once; larger planes are cut into bands of lines."""


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer with lines along each axis."""
    conv = read(node)
    for along_w in (True, False):
        for geometry, plan in _plans(conv, along_w=along_w):
            yield _layer(conv, geometry, plan, along_w, _band(geometry))


def refusal(node: Node) -> str:
    """Say why there is no candidate."""
    conv = read(node)
    p = conv.place
    if max(p["dilation_h"], p["dilation_w"]) > 1 and max(p["kernel_h"], p["kernel_w"]) > 1:
        return "dilation"
    if not conv.stairs().regular:
        return IRREGULAR
    return "stride above 2 along both axes, or lines too long"


def rolled(node: Node, bands: Iterable[int]) -> Iterator[Layer]:
    """Yield the layer with rows as lines, in bands of so many rows of output."""
    conv = read(node)
    for geometry, plan in _plans(conv, along_w=True):
        for band in bands:
            if band <= geometry.slow.out:
                yield _layer(conv, geometry, plan, True, band)


def _plans(conv: Depthwise, *, along_w: bool) -> Iterator[tuple[Geometry, Plan]]:
    """Yield the plane and its arithmetic, where this kernel can do it."""
    place = conv.place
    plain = place["dilation_h"] == place["dilation_w"] == 1 or place["kernel_h"] == place["kernel_w"] == 1
    if not plain:
        return
    geometry = _geometry(conv, along_w)
    if geometry.fast.stride > 2 or geometry.limit > depthwise.MAX_OFFSET:
        return
    # Output channel c * multiplier + m belongs to input channel c: all c of one m are one pass.
    passes = np.arange(conv.out_c).reshape(conv.in_c, -1).T.ravel()
    weights = (conv.weights.transpose(2, 0, 1) if along_w else conv.weights.transpose(2, 1, 0)).astype(np.int64)
    arguments = weights[passes], conv.bias.astype(np.int64)[passes], conv.stairs().part(passes)
    plan = (depthwise_wide if isinstance(geometry, WideGeometry) else depthwise).plan(*arguments)
    if plan is not None:
        yield geometry, plan


def _geometry(conv: Depthwise, along_w: bool) -> Geometry:
    p, c, out_c = conv.place, conv.in_c, conv.out_c
    w = Axis(p["in_w"], p["out_w"], p["kernel_w"], p["stride_w"], p["pad_w"], c, out_c)
    h = Axis(p["in_h"], p["out_h"], p["kernel_h"], p["stride_h"], p["pad_h"], p["in_w"] * c, p["out_w"] * out_c)
    kind = Geometry if max(p["kernel_h"], p["kernel_w"]) <= TAPS else WideGeometry
    return kind(*((w, h) if along_w else (h, w)), conv.input_zero_point, out_c // c)


def _layer(conv: Depthwise, geometry: Geometry, plan: Plan, along_w: bool, band: int) -> Layer:
    slow, p = geometry.slow, conv.place
    routine = _routine(geometry, plan)
    scratch = ((band - 1) * slow.stride + geometry.taps) * geometry.line_bytes
    whole = band == slow.out
    same = (p["in_h"], p["in_w"], conv.in_c) == (p["out_h"], p["out_w"], conv.out_c)
    alone = p["batches"] == 1 and conv.in_c == conv.out_c
    return Layer(
        index=0,
        name=conv.name,
        op="DEPTHWISE_CONV_2D",
        kernel="depthwise_conv_2d_armv7em",
        shape={
            "batches": p["batches"], "channels": conv.in_c,
            "in_lines": slow.size, "in_step": slow.step, "in_batch": p["in_h"] * p["in_w"] * conv.in_c,
            "out_lines": slow.out, "out_step": slow.out_step, "out_batch": p["out_h"] * p["out_w"] * conv.out_c,
            "passes": geometry.multiplier, "pass_stream": plan.stream.size // geometry.multiplier,
            "taps": slow.taps, "stride": slow.stride, "pad": slow.pad, "band": band,
            "line_bytes": geometry.line_bytes, "line_start": geometry.fast.pad // 2 * 4, "scratch_bytes": scratch,
            "input_zero_point": conv.input_zero_point, "routine": routine.name,
        },
        inputs=(conv.input,),
        outputs=(conv.output,),
        constants=(int32_constant("stream", words(plan.stream)),),
        scratch_bytes=scratch,
        macs=conv.macs,
        overlaps={conv.input: _distance(geometry, band)} if along_w and alone else {},
        in_place=(conv.input,) if whole and same else (),
        routines=(routine,),
        note=f"a channel's plane along {'w' if along_w else 'h'}, {band} lines a band",
        estimate=_estimate(conv, geometry, routine, band),
    )  # fmt: skip


def _routine(geometry: Geometry, plan: Plan) -> Routine:
    if isinstance(geometry, WideGeometry):
        return depthwise_wide.routine(geometry, plan)
    return depthwise.routine(geometry, plan)


def _band(geometry: Geometry) -> int:
    """Return how many lines of output are made from one filling of the scratch: bands of nearly equal height."""
    slow = geometry.slow
    most = max(1, (SCRATCH // geometry.line_bytes - geometry.taps) // slow.stride + 1)
    bands = -(-slow.out // most)
    return -(-slow.out // bands)


def _bands(geometry: Geometry, band: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first line of output, lines of output, lines of input inside the plane) of each band."""
    slow = geometry.slow
    for y in range(0, slow.out, band):
        lines = min(band, slow.out - y)
        top = y * slow.stride - slow.pad
        yield y, lines, min(slow.size, top + (lines - 1) * slow.stride + slow.taps) - max(0, top)


def _distance(geometry: Geometry, band: int) -> int:
    """Return how far the input must lie behind the output: a band is read channel by channel until it is done."""
    slow = geometry.slow
    return max(
        (y + lines) * slow.out_step - max(0, y * slow.stride - slow.pad) * slow.step
        for y, lines, _ in _bands(geometry, band)
    )


def _estimate(conv: Depthwise, geometry: Geometry, routine: Routine, band: int) -> Cost:
    total, channels, slow = NOTHING, conv.in_c, geometry.slow
    for _, lines, widened in _bands(geometry, band):
        times = {"call": 1, "channel": channels, "widen": channels * widened, "line": channels * lines}
        if "group" in routine.blocks:
            wide = isinstance(geometry, WideGeometry)
            out = geometry.fast.out
            times["group"] = channels * lines * (-(-out // depthwise_wide.GROUP) if wide else out // depthwise.LOOP)
        total += (routine.cost(**times) + Cost(20, 30)) * geometry.multiplier + Cost(20, 30)
    filled = ((band - 1) * slow.stride + geometry.taps) * geometry.line_bytes
    return (total + Cost(0.6, 0.9) * filled + Cost(30, 40)) * conv.place["batches"]
