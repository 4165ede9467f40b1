"""How the windows of two pixels get into the frame, and in which order their weights must lie.

SXTB16 widens bytes 0 and 2 of a word, and with ROR #8 bytes 1 and 3, so a word read from k gives the pairs (k, k+2) and
(k+1, k+3): the weights are permuted on the host instead. The frame holds a pair of the first pixel, the same of the
second, and so on. Three ways to fill it:

    rows     a window is rows of neighbouring bytes, a multiple of four each: loops, any geometry, 7 instructions a
             word of both pixels
    columns  the same for a window three pixels wide that moves by one: both windows together are four columns, so a
             word of each is loaded and widened once and stored where it belongs, 15 instructions for three words
    steps    anything else, written out: what is left of a run behind its words, one to three bytes, is paired with
             what is left of the others
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WORD = 4
MAX_SPAN = 4000
"""Bytes between two elements that are loaded as a pair: both must be reached from one pointer."""
MAX_STEPS = 64
"""Bytes of a window up to which it is worth writing out loads that loops can do."""


@dataclass(frozen=True)
class Step:
    """One load of a word (`second` is None), or of two bytes that make a pair (`second` is -1 for a zero)."""

    offset: int
    second: int | None
    order: tuple[int, ...]


@dataclass(frozen=True)
class Gather:
    """What a routine knows of its windows when it is written.

    Attributes:
        kind: see above.
        words: read in one pass of the inner loop, of a row, or of a pixel's channels for "columns".
        steps: for "steps".
    """

    kind: Literal["rows", "columns", "steps"]
    words: int = 0
    steps: tuple[Step, ...] = ()

    @property
    def name(self) -> str:
        """Return a part of the routine's name; the geometry of steps is named by their caller."""
        return f"{self.kind}{self.words}"


@dataclass(frozen=True)
class Window:
    """A layer's windows: what the routine knows, and what it is told.

    Attributes:
        gather: what it knows.
        order: (K,) which weight belongs to each place of a pixel's frame; -1 for none. K is even.
        rows: of the window; 0 for "steps", like the other two.
        groups: passes of the inner loop in a row.
        skip: bytes from the end of a row to the start of the next.
        column: bytes from a column to the next, for "columns".
    """

    gather: Gather
    order: NDArray[np.int64]
    rows: int = 0
    groups: int = 0
    skip: int = 0
    column: int = 0


@dataclass(frozen=True)
class Geometry:
    """A window over rows of channels.

    Attributes:
        height: of the window, in taps.
        width: of the window.
        channels: of the input.
        row_bytes: from a row of input to the next.
        dilation: rows and columns from a tap to the next.
        stride_w: columns from a window to the next.
    """

    height: int
    width: int
    channels: int
    row_bytes: int
    dilation: tuple[int, int]
    stride_w: int


def windows(g: Geometry, *, neighbours: bool) -> Iterator[Window]:
    """Yield ways to gather, the shortest code first.

    Args:
        g: the windows.
        neighbours: whether the second pixel always follows the first, and reading a column too far does no harm.
    """
    together = g.dilation[1] == 1 or g.width == 1
    whole_words = together and g.width * g.channels % WORD == 0
    if neighbours and whole_words and g.width == 3 and g.stride_w == 1 and g.channels % WORD == 0:
        yield _columns(g)
    if whole_words:
        yield _rows(g)
    if not whole_words or g.height * g.width * g.channels <= MAX_STEPS:
        yield _steps(g)


def _largest(count: int, limit: int) -> int:
    return next(n for n in range(min(count, limit), 0, -1) if count % n == 0)


def _pairs(k: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order of words whose first weights are k."""
    order: NDArray[np.int64] = (k[..., None] + np.array([0, 2, 1, 3])).ravel()
    return order


def _rows(g: Geometry) -> Window:
    width = g.width * g.channels
    words = _largest(width // WORD, 4)
    order = _pairs(np.arange(0, g.height * width, WORD))
    return Window(Gather("rows", words), order, g.height, width // WORD // words, g.dilation[0] * g.row_bytes - width)


def _columns(g: Geometry) -> Window:
    words = _largest(g.channels // WORD, 4)
    y, c, x = np.meshgrid(np.arange(g.height), np.arange(0, g.channels, WORD), np.arange(3), indexing="ij")
    order = _pairs((y * 3 + x) * g.channels + c)
    skip = g.dilation[0] * g.row_bytes - g.channels
    return Window(Gather("columns", words), order, g.height, g.channels // WORD // words, skip, g.channels)


def _steps(g: Geometry) -> Window:
    runs = [
        (y * g.dilation[0] * g.row_bytes + x * g.dilation[1] * g.channels, g.channels, (y * g.width + x) * g.channels)
        for y in range(g.height)
        for x in range(g.width)
    ]
    if g.dilation[1] == 1:
        width = g.width * g.channels
        runs = [(y * g.dilation[0] * g.row_bytes, width, y * width) for y in range(g.height)]
    steps: list[Step] = []
    left: list[tuple[int, int]] = []
    for offset, count, k in runs:
        words = count // WORD * WORD
        steps += [Step(offset + i, None, (k + i, k + i + 2, k + i + 1, k + i + 3)) for i in range(0, words, WORD)]
        left += [(offset + i, k + i) for i in range(words, count)]
        while len(left) >= 2:
            (a, ka), *left = left
            if left[0][0] - a > MAX_SPAN:
                steps.append(Step(a, -1, (ka, -1)))
                continue
            (b, kb), *left = left
            steps.append(Step(a, b, (ka, kb)))
    steps += [Step(a, -1, (ka, -1)) for a, ka in left]
    order = np.array([k for step in steps for k in step.order], dtype=np.int64)
    return Window(Gather("steps", steps=tuple(steps)), order)
