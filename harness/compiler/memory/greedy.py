"""Placing buffers one after another, each as low as it can lie.

Placing them in the smallest arena is two-dimensional bin packing; several orders are tried, greedy-by-size (Pisarchyk
and Lee, arXiv 2001.03288) with and without shared memory among them, so the result is never worse than that.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.compiler.memory.plan import Buffer
from harness.compiler.memory.schedule import Schedule

ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.bytes, b.first),
    lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
    lambda b: (b.first, -b.bytes),
    lambda b: (-b.last, -b.bytes),
)


def arena_bytes(schedule: Schedule, offsets: Sequence[int]) -> int:
    """Return the size of the arena that buffers at these offsets need."""
    return max((o + b.bytes for o, b in zip(offsets, schedule.buffers, strict=True)), default=0)


def place_greedily(schedule: Schedule) -> tuple[int, ...]:
    """Try several orders and return the offsets that need the smallest arena."""
    numbers = range(len(schedule.buffers))
    shares = schedule.eats or schedule.in_place
    candidates = [
        place(rules, sorted(numbers, key=lambda i: order(schedule.buffers[i])))
        for rules in ((schedule, replace(schedule, eats={}, in_place=frozenset())) if shares else (schedule,))
        for order in ORDERS
    ]
    return min(candidates, key=lambda offsets: arena_bytes(schedule, offsets))


def place(schedule: Schedule, sequence: Sequence[int]) -> tuple[int, ...]:
    """Place buffers in the given sequence, each as low as those before it allow; return all offsets."""
    offsets: dict[int, int] = {}
    for buffer in sequence:
        offsets[buffer] = schedule.lowest(buffer, offsets)
    return tuple(offsets[i] for i in range(len(schedule.buffers)))


def settle(schedule: Schedule, offsets: Sequence[int]) -> tuple[int, ...]:
    """Let every buffer of a plan fall as low as the others allow, the lowest first; the arena never grows."""
    result = dict(enumerate(offsets))
    for buffer in sorted(result, key=lambda i: (offsets[i], i)):
        result[buffer] = schedule.lowest(buffer, result)
    return tuple(result[i] for i in range(len(offsets)))
