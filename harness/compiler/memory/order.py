"""Which layer runs when: the order whose busiest moment needs the least memory.

The busiest moment of the best order is also a bound: no placement of any order needs less.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.compiler.memory.problem import Problem, aligned

MAX_STEPS = 30_000  # that the search looks at, some tenths of a second; a chain of n layers has n


@dataclass(frozen=True)
class BestOrder:
    """An order of the layers, and the bytes that the busiest moment of any order needs at least."""

    order: tuple[int, ...]
    bound_bytes: int


def best_order(problem: Problem) -> BestOrder:
    """Find the order whose busiest moment is smallest.

    What lives depends on nothing but which layers are done. The set that was reached with the smallest peak is
    continued first, so the first complete one is the best. Where there are too many sets, the order stays as it is,
    and the bound still holds.
    """
    moments = Moments(problem)
    before = [_mask(layers) for layers in problem.ancestors]
    seen: set[int] = set()
    queue: list[tuple[int, int, tuple[int, ...], int]] = [(0, 0, (), 0)]  # peak, minus length, order, done
    peak = 0
    steps = 0
    while queue and steps < MAX_STEPS:
        peak, _, order, done = heapq.heappop(queue)
        if len(order) == problem.count:
            return BestOrder(order, peak)
        if done in seen:
            continue
        seen.add(done)
        alive = moments.alive(done)
        for layer in range(problem.count):
            if not done >> layer & 1 and before[layer] & ~done == 0:
                steps += 1
                needed = moments.bytes(alive, layer, done)
                heapq.heappush(queue, (max(peak, needed), -len(order) - 1, (*order, layer), done | 1 << layer))
    return BestOrder(tuple(range(problem.count)), peak)


class Moments:
    """How much memory a layer needs while it runs. Sets of layers are bits of an integer: the search makes many."""

    def __init__(self, problem: Problem) -> None:
        self.blocks = problem.blocks
        self.sizes = [aligned(block.bytes) for block in problem.blocks]
        never = 1 << problem.count  # a reader that is never done
        self.users = [_mask(block.readers) | (never if block.kept else 0) for block in problem.blocks]
        self.writes: list[list[int]] = [[] for _ in range(problem.count)]
        for number, block in enumerate(problem.blocks):
            if block.writer is not None:
                self.writes[block.writer].append(number)
        self.eats: list[list[tuple[int, int, int]]] = [[] for _ in range(problem.count)]
        for written, read in problem.eats.keys() | problem.in_place:
            distance = 0 if (written, read) in problem.in_place else aligned(problem.eats[written, read])
            writer = problem.blocks[written].writer
            if writer is not None:
                self.eats[writer].append((distance, written, read))

    def alive(self, done: int) -> list[int]:
        """Return the blocks that hold something still needed when exactly the layers `done` have run."""
        return [
            number
            for number, (block, users) in enumerate(zip(self.blocks, self.users, strict=True))
            if (users & ~done or not done) and (block.writer is None or done >> block.writer & 1)
        ]

    def bytes(self, alive: Sequence[int], layer: int, done: int) -> int:
        """Return what a layer needs at least, wherever things lie: all that is alive before, and what it writes."""
        here = [*alive, *self.writes[layer]]
        slack = max(self.sizes[i] - self.blocks[i].bytes for i in here)  # of the block that lies last
        return sum(self.sizes[i] for i in here) - slack - self._shared(layer, done | 1 << layer)

    def _shared(self, layer: int, done: int) -> int:
        """Return how many bytes the output of a layer can share with the inputs that die with it."""
        dying = sorted(
            (d, self.sizes[read], written) for d, written, read in self.eats[layer] if not self.users[read] & ~done
        )
        if not dying:
            return 0
        output = self.sizes[dying[0][2]]
        end = 0
        for distance, size, _ in dying:  # one behind the other, each as low as its distance allows
            end = max(end, distance) + size
        return output + sum(size for _, size, _ in dying) - max(output, end)


def _mask(layers: Iterable[int]) -> int:
    return sum(1 << layer for layer in layers)
