"""The arena planner: where each tensor lies, decided before anything runs.

Tensors that name the same memory (reshapes, in-place outputs) form one buffer. A buffer lives from the layer that
writes it to the last that reads it; two that live at once must not overlap. Placing them in the smallest arena is
two-dimensional bin packing; several greedy orders are tried, greedy-by-size (Pisarchyk and Lee, arXiv 2001.03288) with
and without in-place outputs among them, so the result is never worse than that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.compiler.graph import Graph
from harness.compiler.layer import Layer

ALIGNMENT = 4  # float32 at the border, word access to int8


@dataclass(frozen=True)
class Buffer:
    """Memory for one or more tensors: bytes, and the first and last layer at which they are needed."""

    bytes: int
    first: int
    last: int
    tensors: tuple[int, ...] = ()
    scratch_of: int | None = None

    def meets(self, other: "Buffer") -> bool:
        """Tell whether both are needed at one moment."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Placement:
    """A buffer with its offset from the start of the arena, in bytes."""

    buffer: Buffer
    offset: int

    @property
    def end(self) -> int:
        """Return the offset just behind the buffer."""
        return self.offset + self.buffer.bytes


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lies."""

    arena_bytes: int
    placements: tuple[Placement, ...]

    def tensor_offset(self, tensor: int) -> int:
        """Return the offset of a tensor."""
        return next(p.offset for p in self.placements if tensor in p.buffer.tensors)

    def scratch_offset(self, layer: int) -> int:
        """Return the offset of a layer's scratch memory."""
        return next(p.offset for p in self.placements if p.buffer.scratch_of == layer)


def plan_memory(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int]) -> MemoryPlan:
    """Place every activation and scratch buffer.

    Args:
        graph: for the sizes of tensors, its inputs and outputs.
        layers: in execution order.
        aliases: tensor -> the tensor whose memory it names.

    Returns:
        The smallest plan found; never larger than greedy-by-size without in-place outputs.
    """
    shared = place_best(buffers(graph, layers, aliases))
    in_place = place_best(buffers(graph, layers, in_place_aliases(graph, layers, aliases)))
    return min(in_place, shared, key=lambda plan: plan.arena_bytes)


def in_place_aliases(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int]) -> Mapping[int, int]:
    """Add, for each layer that may overwrite a dying input, its output as another name of that input."""
    result = dict(aliases)
    for position, layer in enumerate(layers):
        for source in (tensor for tensor, distance in layer.overlaps.items() if distance == 0):
            root = _root(result, source)
            dies = all(_root(result, t) != root for later in layers[position + 1 :] for t in later.inputs)
            once = sum(_root(result, t) == root for t in layer.inputs) == 1 or len(set(layer.inputs)) == 1
            if dies and once and all(_root(result, t) != root for t in graph.outputs):
                result[layer.outputs[0]] = root
                break
    return result


def buffers(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int]) -> list[Buffer]:
    """Group tensors that share memory and find how long each group lives."""
    lives: dict[int, tuple[int, int, int, tuple[int, ...]]] = {}

    def use(tensor: int, moment: int) -> None:
        if graph.tensors[tensor].data is not None:
            return
        size, first, last, tensors = lives.get(_root(aliases, tensor), (0, moment, moment, ()))
        lives[_root(aliases, tensor)] = (
            max(size, graph.tensors[tensor].bytes),
            min(first, moment),
            max(last, moment),
            tensors if tensor in tensors else (*tensors, tensor),
        )

    for tensor in graph.inputs:
        use(tensor, 0)
    for position, layer in enumerate(layers):
        for tensor in (*layer.inputs, *layer.outputs):
            use(tensor, position)
    for tensor in graph.outputs:
        use(tensor, len(layers) - 1)
    scratch = [
        Buffer(layer.scratch_bytes, position, position, scratch_of=position)
        for position, layer in enumerate(layers)
        if layer.scratch_bytes
    ]
    return [Buffer(*life) for life in lives.values()] + scratch


def place_best(items: Sequence[Buffer]) -> MemoryPlan:
    """Try several greedy orders and return the smallest plan."""
    orders: list[Callable[[Buffer], tuple[int, ...]]] = [
        lambda b: (-b.bytes, b.first),
        lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.bytes),
        lambda b: (-b.last, -b.bytes),
    ]
    return min((place(sorted(items, key=order)) for order in orders), key=lambda plan: plan.arena_bytes)


def place(order: Iterable[Buffer]) -> MemoryPlan:
    """Place buffers one after another, each in the lowest gap that is large enough."""
    placed: list[Placement] = []
    for buffer in order:
        offset = 0
        for other in sorted((p for p in placed if p.buffer.meets(buffer)), key=lambda p: p.offset):
            if offset + buffer.bytes <= other.offset:
                break
            offset = max(offset, -(-other.end // ALIGNMENT) * ALIGNMENT)
        placed.append(Placement(buffer, offset))
    return MemoryPlan(max((p.end for p in placed), default=0), tuple(placed))


def _root(aliases: Mapping[int, int], tensor: int) -> int:
    while tensor in aliases:
        tensor = aliases[tensor]
    return tensor
