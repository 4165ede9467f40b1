"""Where the names of points go in a plot, so that they cover neither each other nor a point."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""
Floats = NDArray[np.float64]

_GAP = 6.0
_RADII = np.array((0.0, 8.0, 18.0, 32.0, 50.0, 72.0, 100.0, 140.0))
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_OUTSIDE = _COVERED = 20.0
"""What a square unit of a name outside the plot, or over something else, costs; a unit of its way costs 1."""


def place_labels(
    points: Sequence[Point], sizes: Sequence[Point], avoid: Sequence[Box], width: float, height: float
) -> Floats:
    """Place a name beside each point, one after another, each where it costs least.

    Args:
        points: (x, y) inside the plot; any unit, the same for all arguments.
        sizes: (width, height) of each name.
        avoid: boxes that no name should cover.
        width: of the plot, whose lower left corner is (0, 0).
        height: of the plot.

    Returns:
        The box of each name (n, 4).
    """
    middles = np.array(points, np.float64).reshape(-1, 2)
    taken = np.vstack([np.hstack([middles - _GAP / 2, middles + _GAP / 2]), np.array(avoid).reshape(-1, 4)])
    plot = np.array([[0, 0, width, height]], np.float64)
    boxes = np.zeros((len(points), 4))
    radii, angles = (grid.ravel() for grid in np.meshgrid(_RADII, _ANGLES, indexing="ij"))
    for index, size in enumerate(np.array(sizes, np.float64).reshape(-1, 2)):
        directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        centres = middles[index] + directions * (size / 2 + _GAP + radii[:, None])
        candidates = np.hstack([centres - size / 2, centres + size / 2])
        outside = size.prod() - overlaps(candidates, plot)[:, 0]
        cost = radii + _OUTSIDE * outside + _COVERED * overlaps(candidates, taken).sum(axis=1)
        boxes[index] = candidates[cost.argmin()]
        taken = np.vstack([taken, boxes[index]])
    return boxes


def overlaps(ones: Floats, others: Floats) -> Floats:
    """Return the area (n, m) that each of n boxes (n, 4) shares with each of m others (m, 4)."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    area: Floats = np.clip(high - low, 0, None).prod(axis=2)
    return area
