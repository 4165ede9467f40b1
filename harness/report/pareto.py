"""Which points no other one beats: as fast and more accurate, or as accurate and faster."""

from collections.abc import Sequence

Point = tuple[float, float]


def front(points: Sequence[Point]) -> list[int]:
    """Return the indices of the points that none beats, the fastest first.

    Args:
        points: (latency, accuracy): the first is better when lower, the second when higher. Equal points are all kept.
    """
    best = float("-inf")
    kept: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1])):
        if points[index][1] > best or (kept and points[index] == points[kept[-1]]):
            best = points[index][1]
            kept.append(index)
    return kept
