"""What has to be placed, before an order of the layers is chosen: blocks of memory, who writes and who reads them.

Tensors that name the same memory (reshapes) are one block; so is the scratch memory of a layer.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from harness.compiler.graph import Graph
from harness.compiler.layer import Layer

ALIGNMENT = 4  # float32 at the border, word access to int8


def aligned(size: int) -> int:
    """Return a size rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Block:
    """Memory for one or more tensors, or for a layer's scratch.

    Attributes:
        bytes: its size.
        writer: the layer that writes it, None for an input of the graph: needed from the start.
        readers: the layers that read it.
        kept: an output of the graph: needed to the end.
        tensors: the tensors that lie in it.
        scratch_of: the layer whose scratch it is.
    """

    bytes: int
    writer: int | None
    readers: frozenset[int] = frozenset()
    kept: bool = False
    tensors: tuple[int, ...] = ()
    scratch_of: int | None = None

    @property
    def users(self) -> frozenset[int]:
        """Return the layers that write or read it."""
        return self.readers if self.writer is None else self.readers | {self.writer}


@dataclass(frozen=True)
class Problem:
    """Blocks, and the layers that use them. A layer is named by its position in the list that is planned.

    Attributes:
        blocks: what has to be placed.
        eats: (written, read) -> bytes, two blocks of one layer: where the read one dies with it, the two may share
            memory provided offset(written) + bytes <= offset(read).
        in_place: (written, read) likewise: there the two may share memory where both offsets are the same.
        ancestors: for each layer, all the layers that must run before it.
    """

    blocks: tuple[Block, ...]
    eats: Mapping[tuple[int, int], int]
    in_place: frozenset[tuple[int, int]]
    ancestors: tuple[frozenset[int], ...]

    @property
    def count(self) -> int:
        """Return the number of layers."""
        return len(self.ancestors)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the pairs of blocks that are needed at one moment in some order."""
        numbers = combinations(range(len(self.blocks)), 2)
        return tuple((one, other) for one, other in numbers if not self._apart(one, other))

    def _apart(self, one: int, other: int) -> bool:
        return self._always_gone(one, other) or self._always_gone(other, one)

    def _always_gone(self, one: int, other: int) -> bool:
        """Tell whether in every order a block is used for the last time before another is written."""
        block, writer = self.blocks[one], self.blocks[other].writer
        if block.kept or writer is None:
            return False
        if not block.users:  # an input that nothing reads: needed while the first layer runs
            return bool(self.ancestors[writer])
        return block.users <= self.ancestors[writer]

    def in_order(self, order: Sequence[int]) -> "Problem":
        """Return the problem with one order left."""
        before = {layer: frozenset(order[:moment]) for moment, layer in enumerate(order)}
        return replace(self, ancestors=tuple(before[layer] for layer in range(self.count)))


def read_problem(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int]) -> Problem:
    """Group tensors into blocks.

    Args:
        graph: for the sizes of tensors, its inputs and outputs.
        layers: in an order that may be run.
        aliases: tensor -> the tensor whose memory it names.
    """
    members = _members(graph, layers, aliases)
    home = {tensor: number for number, tensors in enumerate(members) for tensor in tensors}
    writers = {home[t]: position for position, layer in enumerate(layers) for t in layer.outputs}
    readers: dict[int, set[int]] = defaultdict(set)
    for position, layer in enumerate(layers):
        for block in {home[t] for t in layer.inputs if t in home}:
            readers[block].add(position)
    blocks = [
        Block(
            bytes=max(graph.tensors[t].bytes for t in tensors),
            writer=writers.get(number),
            readers=frozenset(readers[number]),
            kept=not set(graph.outputs).isdisjoint(tensors),
            tensors=tensors,
        )
        for number, tensors in enumerate(members)
    ]
    eats: dict[tuple[int, int], int] = {}
    in_place: set[tuple[int, int]] = set()
    for layer in layers:
        written = home[layer.outputs[0]]
        for block, names in _names(layer, home).items():
            if blocks[block].kept:
                continue
            if all(name in layer.overlaps for name in names):
                distance = max(layer.overlaps[name] for name in names)
                eats[written, block] = max(0, min(distance, blocks[written].bytes))
            if all(name in layer.in_place for name in names):
                in_place.add((written, block))
    scratch = [Block(layer.scratch_bytes, i, scratch_of=i) for i, layer in enumerate(layers) if layer.scratch_bytes]
    return Problem((*blocks, *scratch), eats, frozenset(in_place), _ancestors(blocks, len(layers)))


def _members(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Return the tensors of each block, in order of use."""
    used = [*graph.inputs, *(t for layer in layers for t in (*layer.inputs, *layer.outputs)), *graph.outputs]
    groups: dict[int, dict[int, None]] = {}
    for tensor in used:
        if graph.tensors[tensor].data is None:
            groups.setdefault(_root(aliases, tensor), {})[tensor] = None
    return [tuple(group) for group in groups.values()]


def _root(aliases: Mapping[int, int], tensor: int) -> int:
    while tensor in aliases:
        tensor = aliases[tensor]
    return tensor


def _names(layer: Layer, home: Mapping[int, int]) -> Mapping[int, list[int]]:
    """Return block -> the names that a layer reads it under: what it says of the block it must say of each of them."""
    names: dict[int, list[int]] = defaultdict(list)
    for tensor in layer.inputs:
        if tensor in home:
            names[home[tensor]].append(tensor)
    return names


def _ancestors(blocks: Sequence[Block], count: int) -> tuple[frozenset[int], ...]:
    parents: list[set[int]] = [set() for _ in range(count)]
    for block in blocks:
        if block.writer is not None:
            for reader in block.readers:
                parents[reader].add(block.writer)
    result: list[frozenset[int]] = []
    for before in parents:  # the layers come in an order that may be run
        result.append(frozenset(before.union(*(result[layer] for layer in before))))
    return tuple(result)
