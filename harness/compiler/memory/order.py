"""Which layer runs when: the order whose busiest moment needs the least memory.

The busiest moment of the best order is also a bound: no placement of any order needs less.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.compiler.memory.problem import Problem, aligned

MAX_STEPS = 20_000  # that the search looks at, some tenths of a second; a chain of n layers has n


@dataclass(frozen=True)
class BestOrder:
    """An order of the layers, and the bytes that the busiest moment of any order needs at least."""

    order: tuple[int, ...]
    bound_bytes: int


def best_order(problem: Problem) -> BestOrder:
    """Find the order whose busiest moment is smallest; the given one where none is better.

    Where there are too many orders to be sure, the best one seen, and a bound that holds all the same.
    """
    moments = Moments(problem)
    bound = max((moments.least(layer) for layer in range(problem.count)), default=0)
    given = tuple(range(problem.count))
    if moments.peak(given) == bound:
        return BestOrder(given, bound)
    found = _search(moments, min((given, moments.frugal()), key=moments.peak))
    return BestOrder(found.order, max(bound, found.bound_bytes))


def _search(moments: "Moments", known: tuple[int, ...]) -> BestOrder:
    """Look for a better order than one that is known.

    What lives depends on nothing but which layers are done. The set that was reached with the smallest peak is
    continued first, so the first complete one is the best.
    """
    limit = moments.peak(known)
    seen: set[int] = set()
    queue: list[tuple[int, int, tuple[int, ...], int]] = [(0, 0, (), 0)]  # peak, minus length, order, done
    steps = 0
    while queue:
        peak, _, order, done = heapq.heappop(queue)
        if len(order) == len(known):
            return BestOrder(order, peak)
        if steps > MAX_STEPS:
            return BestOrder(known, peak)
        if done in seen:
            continue
        seen.add(done)
        for layer, needed in moments.next(done):
            steps += 1
            if needed < limit:
                heapq.heappush(queue, (max(peak, needed), -len(order) - 1, (*order, layer), done | 1 << layer))
    return BestOrder(known, limit)


class Moments:
    """How much memory layers need while they run. Sets of layers are bits of an integer: the search makes many."""

    def __init__(self, problem: Problem) -> None:
        self.blocks = problem.blocks
        self.sizes = [aligned(block.bytes) for block in problem.blocks]
        never = 1 << problem.count  # a reader that is never done
        self.users = [_mask(block.readers) | (never if block.kept else 0) for block in problem.blocks]
        self.before = [_mask(layers) for layers in problem.ancestors]
        self.writes: list[list[int]] = [[] for _ in range(problem.count)]
        self.eats: list[list[tuple[int, int, int]]] = [[] for _ in range(problem.count)]
        for number, block in enumerate(problem.blocks):
            if block.writer is not None:
                self.writes[block.writer].append(number)
        for written, read in problem.eats.keys() | problem.in_place:
            distance = 0 if (written, read) in problem.in_place else aligned(problem.eats[written, read])
            writer = problem.blocks[written].writer
            if writer is not None:
                self.eats[writer].append((distance, written, read))

    def next(self, done: int) -> Iterator[tuple[int, int]]:
        """Yield each layer that can run when exactly the layers `done` have, and the bytes it needs at least.

        That is all that lives, wherever it lies: what is alive before, and what the layer writes.
        """
        alive = self._alive(done)
        total, slack = sum(self.sizes[i] for i in alive), max((self._slack(i) for i in alive), default=0)
        for layer, before in enumerate(self.before):
            if not done >> layer & 1 and not before & ~done:
                yield layer, self._needed(layer, total, slack, done)

    def least(self, layer: int) -> int:
        """Return what a layer needs in every order: what its ancestors wrote and it or its descendants read."""
        later = _mask(other for other, before in enumerate(self.before) if before >> layer & 1)
        needed = later | 1 << layer | 1 << len(self.before)
        alive = [
            number
            for number, (block, users) in enumerate(zip(self.blocks, self.users, strict=True))
            if users & needed and (block.writer is None or self.before[layer] >> block.writer & 1)
        ]
        total, slack = sum(self.sizes[i] for i in alive), max((self._slack(i) for i in alive), default=0)
        return self._needed(layer, total, slack, ~needed)

    def _needed(self, layer: int, alive_bytes: int, slack: int, done: int) -> int:
        written = self.writes[layer]
        slack = max(slack, *(self._slack(i) for i in written))
        shared = self._shared(layer, done | 1 << layer)
        return alive_bytes + sum(self.sizes[i] for i in written) - shared - slack

    def peak(self, order: Sequence[int]) -> int:
        """Return the bytes that the busiest moment of an order needs at least."""
        moments = (dict(self.next(_mask(order[:moment])))[layer] for moment, layer in enumerate(order))
        return max(moments, default=0)

    def frugal(self) -> tuple[int, ...]:
        """Return an order in which the next layer is always the one that needs least and leaves least."""
        order: list[int] = []
        while len(order) < len(self.before):
            done = _mask(order)
            _, _, layer = min((needed, self._left(done | 1 << layer), layer) for layer, needed in self.next(done))
            order.append(layer)
        return tuple(order)

    def _left(self, done: int) -> int:
        return sum(self.sizes[i] for i in self._alive(done))

    def _slack(self, block: int) -> int:
        """Return what is lost to alignment behind a block, unless it lies last."""
        return self.sizes[block] - self.blocks[block].bytes

    def _alive(self, done: int) -> list[int]:
        """Return the blocks that hold something still needed when exactly the layers `done` have run."""
        return [
            number
            for number, (block, users) in enumerate(zip(self.blocks, self.users, strict=True))
            if (users & ~done or not done) and (block.writer is None or done >> block.writer & 1)
        ]

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
