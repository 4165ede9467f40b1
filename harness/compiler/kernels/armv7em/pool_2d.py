"""AVERAGE_POOL_2D and MAX_POOL_2D: see pooling.py, and pool_2d_armv7em.h for the windows."""

from collections.abc import Iterator

import numpy as np

from harness.compiler.kernels.armv7em import pooling
from harness.compiler.kernels.armv7em.pooling import MAX_PIXELS, Kind, words_at_once
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.pool import Pool, read
from harness.compiler.kernels.staircase import Int64s
from harness.compiler.layer import Layer
from harness.compiler.routine import Cost, Routine

KINDS: dict[str, Kind] = {"AVERAGE_POOL_2D": "average", "MAX_POOL_2D": "max"}


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer where channels fill words and sums fit halfwords."""
    pool, kind = read(node), KINDS[node.operator.op]
    rows, columns = _sizes(pool, "h"), _sizes(pool, "w")
    words = words_at_once(pool.channels)
    if not words or pool.channels >= 4096 or (kind == "average" and rows.max() * columns.max() > MAX_PIXELS):
        return
    routine = pooling.routine(kind, pool.channels, pool.low, pool.high)
    groups = pool.channels // (4 * words)
    yield Layer(
        index=0,
        name=pool.output.name,
        op=node.operator.op,
        kernel="pool_2d_armv7em",
        shape={"place": pool.shape, "groups": groups, "routine": routine.name},
        inputs=(pool.input.index,),
        outputs=(pool.output.index,),
        overlaps={} if pool.place["pad_h"] or pool.place["pad_w"] else {pool.input.index: 0},
        routines=(routine,),
        estimate=_estimate(pool, routine, groups, rows, columns),
    )


def _sizes(pool: Pool, axis: str) -> Int64s:
    """Return how much of each window along an axis lies inside the input."""
    p = pool.place
    first = np.arange(p[f"out_{axis}"], dtype=np.int64) * p[f"stride_{axis}"] - p[f"pad_{axis}"]
    return np.minimum(first + p[f"kernel_{axis}"], p[f"in_{axis}"]) - np.maximum(first, 0)


def _estimate(pool: Pool, routine: Routine, groups: int, rows: Int64s, columns: Int64s) -> Cost:
    whole = (columns == pool.place["in_w"]).all()  # then all rows are one
    lines = rows.size * columns.size if whole else int(rows.sum()) * columns.size
    pixels = int(rows.sum() * columns.sum())
    windows = rows.size * columns.size
    total = routine.cost(call=windows, group=windows * groups, row=lines * groups, pixel=pixels * groups)
    return (total + Cost(14, 22) * windows + Cost(8, 12) * rows.size) * pool.place["batches"]
