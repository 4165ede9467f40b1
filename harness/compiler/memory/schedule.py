"""A problem whose layers have an order: every block has a lifetime, every two have a least distance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.compiler.memory.plan import Buffer
from harness.compiler.memory.problem import Block, Problem, aligned


@dataclass(frozen=True)
class Schedule:
    """Buffers with lifetimes.

    Attributes:
        order: the layers in running order.
        buffers: one a block of the problem, in its order.
        eats: (written, read) -> bytes as in the problem, where the read buffer does die with the layer.
        in_place: likewise.
    """

    order: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    eats: Mapping[tuple[int, int], int]
    in_place: frozenset[tuple[int, int]]

    @cached_property
    def rivals(self) -> tuple[tuple[int, ...], ...]:
        """Return for each buffer the others that are needed while it is."""
        return tuple(
            tuple(j for j, other in enumerate(self.buffers) if j != i and buffer.meets(other))
            for i, buffer in enumerate(self.buffers)
        )

    def gap(self, low: int, high: int) -> int:
        """Return the bytes between the starts of two rivals of which the first lies lower."""
        return self.eats.get((low, high), self.buffers[low].bytes)

    def coincide(self, one: int, other: int) -> bool:
        """Tell whether two rivals may lie at the same offset."""
        return (one, other) in self.in_place or (other, one) in self.in_place

    def lowest(self, buffer: int, offsets: Mapping[int, int]) -> int:
        """Return the lowest offset for a buffer that its rivals leave; those without an offset are not there yet."""
        rivals = [(r, offsets[r]) for r in self.rivals[buffer] if r in offsets]
        lowest = 0
        for low, high in sorted((y - self.gap(buffer, r), y + self.gap(r, buffer)) for r, y in rivals):
            if lowest <= low:
                break
            lowest = max(lowest, aligned(high))  # what lies between is too near to the rival
        beside = (y for r, y in rivals if y < lowest and self.coincide(buffer, r))
        return min([lowest, *(x for x in beside if all(self._fits(buffer, x, r, y) for r, y in rivals))])

    def _fits(self, buffer: int, x: int, rival: int, y: int) -> bool:
        if x == y and self.coincide(buffer, rival):
            return True
        return x + self.gap(buffer, rival) <= y or y + self.gap(rival, buffer) <= x


def schedule(problem: Problem, order: Sequence[int]) -> Schedule:
    """Give every block of a problem its lifetime."""
    position = {layer: moment for moment, layer in enumerate(order)}
    buffers = tuple(_buffer(block, position) for block in problem.blocks)
    eats = {(w, r): distance for (w, r), distance in problem.eats.items() if buffers[r].last == buffers[w].first}
    in_place = frozenset((w, r) for w, r in problem.in_place if buffers[r].last == buffers[w].first)
    return Schedule(tuple(order), buffers, eats, in_place)


def _buffer(block: Block, position: Mapping[int, int]) -> Buffer:
    first = 0 if block.writer is None else position[block.writer]
    last = len(position) - 1 if block.kept else max((position[r] for r in block.readers), default=first)
    scratch_of = None if block.scratch_of is None else position[block.scratch_of]
    return Buffer(block.bytes, first, last, block.tensors, scratch_of)
