"""Which bytes of the input a pixel's products read, and in which order their weights must lie.

A window is a set of runs of neighbouring bytes: one a row where dilation is 1, else one a tap. SXTB16 widens bytes 0
and 2 of a word, and with ROR #8 bytes 1 and 3, so a word read from k gives the pairs (k, k+2) and (k+1, k+3): the
weights are permuted on the host instead. What is left of each run, one to three bytes, is paired with what is left of
the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORD = 4


@dataclass(frozen=True)
class Run:
    """`count` neighbouring bytes, `offset` bytes from the window's first; the first has weight index `k`."""

    offset: int
    count: int
    k: int


@dataclass(frozen=True)
class Step:
    """One load of a word (`second` is None), or of two bytes that make a pair (`second` is -1 for a zero)."""

    offset: int
    second: int | None
    order: tuple[int, ...]


def window_runs(kernel_h: int, kernel_w: int, channels: int, row_bytes: int, dilation: tuple[int, int]) -> list[Run]:
    """Return the runs of a window over rows that lie `row_bytes` apart."""
    if dilation[1] == 1:
        width = kernel_w * channels
        return [Run(y * dilation[0] * row_bytes, width, y * width) for y in range(kernel_h)]
    return [
        Run(y * dilation[0] * row_bytes + x * dilation[1] * channels, channels, (y * kernel_w + x) * channels)
        for y in range(kernel_h)
        for x in range(kernel_w)
    ]


def steps(runs: Iterable[Run]) -> list[Step]:
    """Return the loads of a window, in order of address as far as that goes."""
    result, left = [], []
    for run in runs:
        words = run.count // WORD
        for i in range(0, words * WORD, WORD):
            k = run.k + i
            result.append(Step(run.offset + i, None, (k, k + 2, k + 1, k + 3)))
        left += [(run.offset + i, run.k + i) for i in range(words * WORD, run.count)]
        while len(left) >= 2:
            (a, ka), (b, kb), *left = left
            result.append(Step(a, b, (ka, kb)))
    if left:
        (a, ka) = left[0]
        result.append(Step(a, -1, (ka, -1)))
    return result


def order(loads: Iterable[Step]) -> NDArray[np.int64]:
    """Return, for each place in a pixel's frame, which weight belongs there; -1 for none."""
    return np.array([k for step in loads for k in step.order], dtype=np.int64)
