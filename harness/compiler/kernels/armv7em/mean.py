"""MEAN over what lies before the last axis: see pooling.py; the window is a row of pixels."""

from collections.abc import Iterator

import numpy as np

from harness.compiler.kernels.armv7em import pooling
from harness.compiler.kernels.armv7em.pooling import MAX_PIXELS, words_at_once
from harness.compiler.kernels.mean import read
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import Staircase
from harness.compiler.layer import Layer
from harness.compiler.routine import Cost


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer where channels are kept and fill words, and sums fit halfwords."""
    mean = read(node)
    batches, pixels, kept, others, inner = mean.sizes
    channels = kept * inner
    words = words_at_once(channels)
    numbers = (np.array([value], dtype=np.int64) for value in (mean.multiplier, -mean.shift, -(2**15), 2**15))
    m, n, least, most = numbers
    stairs = Staircase(m, n, mean.zero_point, -128, 127, least - mean.offset, most - mean.offset).without_tiny()
    if others > 1 or not words or channels >= 4096 or pixels > MAX_PIXELS or not stairs.regular:
        return
    shift = int(stairs.shifts[0])
    routine = pooling.routine("mean", channels, -128, 127, shift)
    groups = channels // (4 * words)
    yield Layer(
        index=0,
        name=mean.output.name,
        op="MEAN",
        kernel="mean_armv7em",
        shape={
            "batches": batches, "in_batch": pixels * channels, "channels": channels,
            "run": {
                "groups": groups, "row_bytes": pixels * channels, "skip": 0, "rows": 1,
                "multiplier": int(stairs.multipliers[0]), "addend": int(stairs.exact_addend()[0]),
                "offset": 2 * mean.offset,
            },
            "routine": routine.name,
        },
        inputs=(mean.input.index,),
        outputs=(mean.output.index,),
        overlaps={mean.input.index: 0},
        routines=(routine,),
        estimate=(routine.cost(call=1, group=groups, row=groups, pixel=groups * pixels) + Cost(20, 30)) * batches,
    )  # fmt: skip
