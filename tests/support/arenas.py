"""Made-up programs for the arena planner, and what judges its plans without knowing how it works.

A program is a graph of tensors, layers that read and write them, and aliases; nothing is ever computed.
"""

import atexit
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from hypothesis import strategies as st

from harness.compiler.graph import Graph, Tensor
from harness.compiler.layer import Layer
from harness.compiler.memory import MemoryPlan
from harness.compiler.memory.apart import Apart

ALIGNMENT = 4


@dataclass(frozen=True)
class Case:
    """What `plan_memory` is given."""

    graph: Graph
    layers: tuple[Layer, ...]
    aliases: Mapping[int, int] = field(default_factory=dict)

    def root(self, tensor: int) -> int:
        """Return the tensor whose memory a tensor names."""
        return self.root(self.aliases[tensor]) if tensor in self.aliases else tensor

    def size(self, tensor: int) -> int:
        """Return the bytes of a tensor."""
        return self.graph.tensors[tensor].bytes

    def reads(self, layer: Layer) -> set[int]:
        """Return the roots that a layer reads."""
        return {self.root(t) for t in layer.inputs}

    @property
    def kept(self) -> set[int]:
        """Return the roots that must be there at the end."""
        return {self.root(t) for t in self.graph.outputs}

    def in_place(self, layer: Layer) -> set[int]:
        """Return the roots that the layer may overwrite at the same offset; each of their names must say so."""
        return {
            root for root in self.reads(layer) if all(t in layer.in_place for t in layer.inputs if self.root(t) == root)
        }

    def distances(self, layer: Layer) -> dict[int, int]:
        """Return root -> distance for what the layer may eat: each name it has needs a rule, the strictest counts."""
        names = {root: [t for t in layer.inputs if self.root(t) == root] for root in self.reads(layer)}
        return {
            root: max(layer.overlaps[t] for t in tensors)
            for root, tensors in names.items()
            if all(t in layer.overlaps for t in tensors)
        }


def case(
    sizes: Sequence[int],
    reads: Sequence[Sequence[int]],
    *,
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] | None = None,
    overlaps: Mapping[int, Mapping[int, int]] | None = None,
    in_place: Mapping[int, Sequence[int]] | None = None,
    scratch: Mapping[int, int] | None = None,
    aliases: Mapping[int, int] | None = None,
) -> Case:
    """Describe a program: the tensors that are neither inputs nor aliases are written one by one, one a layer.

    Args:
        sizes: of the tensors, in bytes.
        reads: for each layer, the tensors it reads.
        inputs: of the graph.
        outputs: of the graph; by default what the last layer writes.
        overlaps: layer -> its `Layer.overlaps`.
        in_place: layer -> its `Layer.in_place`.
        scratch: layer -> bytes.
        aliases: tensor -> the tensor whose memory it names.
    """
    written = [t for t in range(len(sizes)) if t not in inputs and t not in (aliases or {})]
    layers = tuple(
        Layer(
            i, f"layer {i}", "OP", "kernel", {}, tuple(read), (target,),
            scratch_bytes=(scratch or {}).get(i), overlaps=(overlaps or {}).get(i, {}),
            in_place=tuple((in_place or {}).get(i, ())),
        )
        for i, (read, target) in enumerate(zip(reads, written, strict=True))
    )  # fmt: skip
    tensors = tuple(Tensor(i, f"tensor {i}", (size,), "int8") for i, size in enumerate(sizes))
    graph = Graph("made up", "", tensors, (), tuple(inputs), tuple(written[-1:] if outputs is None else outputs))
    return Case(graph, layers, aliases or {})


@st.composite
def cases(draw: st.DrawFn, layers: int = 8, sizes: Sequence[int] = (1, 3, 8, 10, 64, 100)) -> Case:
    """Draw a program with branches, skips, reshapes, scratch, inputs that may be eaten, tensors that nobody reads."""
    size: list[int] = []
    aliases: dict[int, int] = {}
    reads: list[list[int]] = []
    overlaps: dict[int, dict[int, int]] = {}
    in_place: dict[int, list[int]] = {}
    scratch: dict[int, int] = {}
    inputs = draw(st.integers(1, 2))

    def tensor() -> None:
        size.append(draw(st.sampled_from(sizes)))
        if draw(st.integers(0, 5)) == 0:  # reshaped
            aliases[len(size)] = draw(st.sampled_from([t for t in range(len(size)) if size[t] == size[-1]]))
            size.append(size[-1])

    for _ in range(inputs):
        size.append(draw(st.sampled_from(sizes)))
    for layer in range(draw(st.integers(1, layers))):
        ready = len(size)
        near = st.integers(max(0, ready - 4), ready - 1)
        reads.append(draw(st.lists(near, min_size=1, max_size=2)))
        tensor()
        overlaps[layer] = {
            t: draw(st.sampled_from((0, 1, 4, 8, 30, size[ready]))) for t in reads[-1] if draw(st.booleans())
        }
        in_place[layer] = [t for t in reads[-1] if draw(st.integers(0, 2)) == 0]
        if draw(st.integers(0, 2)) == 0:
            scratch[layer] = draw(st.sampled_from((0, *sizes)))
    outputs = {len(size) - 1, draw(st.integers(0, len(size) - 1))}
    return case(
        size,
        reads,
        inputs=range(inputs),
        outputs=sorted(outputs),
        overlaps=overlaps,
        in_place=in_place,
        scratch=scratch,
        aliases=aliases,
    )


def orders(program: Case) -> Iterator[tuple[int, ...]]:
    """Yield every order in which the layers may run."""
    writer = {layer.outputs[0]: i for i, layer in enumerate(program.layers)}
    needs = [{writer[r] for r in program.reads(layer) if r in writer} for layer in program.layers]

    def extend(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(order) == len(needs):
            yield order
        for layer in range(len(needs)):
            if layer not in order and needs[layer] <= set(order):
                yield from extend((*order, layer))

    return extend(())


def run(program: Case, plan: MemoryPlan) -> None:
    """Run through a plan byte by byte, in its order, and assert that no value is lost while it is needed.

    A layer that may eat an input at distance d has read its bytes 0 ... j - d by the time it writes byte j; one that
    works in place has read byte j.
    """
    assert sorted(plan.order) == list(range(len(program.layers)))
    layers = plan.ordered(program.layers)
    assert [layer.index for layer in layers] == list(range(len(layers)))
    assert [layer.outputs for layer in layers] == [program.layers[old].outputs for old in plan.order]
    owner: dict[int, tuple[int, int]] = {}  # byte of the arena -> which byte of which value was written there last

    def whole(tensor: int) -> bool:
        at = plan.tensor_offset(tensor)
        return all(owner.get(at + k) == (program.root(tensor), k) for k in range(program.size(tensor)))

    def write(tensor: int) -> None:
        at = plan.tensor_offset(tensor)
        assert at >= 0 and at % ALIGNMENT == 0 and at + program.size(tensor) <= plan.arena_bytes
        owner.update({at + k: (program.root(tensor), k) for k in range(program.size(tensor))})

    for tensor in program.graph.inputs:
        write(tensor)
    assert all(whole(tensor) for tensor in program.graph.inputs)
    for position, layer in enumerate(layers):
        assert all(whole(tensor) for tensor in layer.inputs)
        later = set().union(program.kept, *(program.reads(other) for other in layers[position + 1 :]))
        distances = program.distances(layer)
        work: set[int] = set()
        if layer.scratch_bytes:
            start = plan.scratch_offset(layer.index)
            work = set(range(start, start + layer.scratch_bytes))
            assert start % ALIGNMENT == 0 and max(work) < plan.arena_bytes
        [target] = layer.outputs
        for j in range(program.size(target)):
            value, k = owner.get(plan.tensor_offset(target) + j, (-1, 0))
            if value in program.reads(layer) and value not in later:
                eaten = value in distances and k <= j - distances[value]
                assert eaten or (value in program.in_place(layer) and k == j), "overwritten before it was read"
        needed = later | program.reads(layer)
        assert not any(owner.get(byte, (-1, 0))[0] in needed for byte in work)
        assert work.isdisjoint(range(plan.tensor_offset(target), plan.tensor_offset(target) + program.size(target)))
        owner.update(dict.fromkeys(work, (-1, 0)))
        write(target)
    assert all(whole(tensor) for tensor in program.graph.outputs)


def smallest_arena(program: Case, at_most: int) -> int:
    """Return the smallest arena of all orders and all placements, by trying them."""
    best = at_most
    for order in orders(program):
        best = _smallest(*_boxes(program, order), best)
    return best


class Rule(NamedTuple):
    """When a written block may share memory with a dying one that is read."""

    distance: int | None
    in_place: bool

    def holds(self, written: int, read: int) -> bool:
        """Tell whether it does at these offsets."""
        return (self.distance is not None and written + self.distance <= read) or (self.in_place and written == read)


def _boxes(program: Case, order: Sequence[int]) -> tuple[list[tuple[int, int, int]], dict[tuple[int, int], Rule]]:
    """Return (bytes, first, last moment) of everything, and for (written, read) what makes sharing right."""
    layers = [program.layers[i] for i in order]
    roots = sorted({program.root(t) for t in program.graph.inputs} | {layer.outputs[0] for layer in layers})
    boxes = []
    for root in roots:
        written = [i for i, layer in enumerate(layers) if root in layer.outputs] or [0]
        read = [i for i, layer in enumerate(layers) if root in program.reads(layer)]
        end = [len(layers) - 1] if root in program.kept else []
        boxes.append((program.size(root), written[0], max(written + read + end)))
    rules = {
        (roots.index(layer.outputs[0]), roots.index(root)): Rule(
            program.distances(layer).get(root), root in program.in_place(layer)
        )
        for i, layer in enumerate(layers)
        for root in program.reads(layer) - program.kept
        if boxes[roots.index(root)][2] == i
    }
    return boxes + [(layer.scratch_bytes, i, i) for i, layer in enumerate(layers) if layer.scratch_bytes], rules


def _smallest(boxes: Sequence[tuple[int, int, int]], rules: Mapping[tuple[int, int], Rule], best: int) -> int:
    def share(i: int, x: int, j: int, y: int) -> bool:
        return (i, j) in rules and rules[i, j].holds(x, y)

    def fit(i: int, x: int, j: int, y: int) -> bool:
        (a, first, last), (b, start, end) = boxes[i], boxes[j]
        if last < start or end < first or x + a <= y or y + b <= x:
            return True
        return share(i, x, j, y) or share(j, y, i, x)

    def extend(offsets: tuple[int, ...], top: int, best: int) -> int:
        if len(offsets) == len(boxes):
            return min(best, top)
        i = len(offsets)
        for x in range(0, best - boxes[i][0], ALIGNMENT):
            end = max(top, x + boxes[i][0])
            if end < best and all(fit(i, x, j, y) for j, y in enumerate(offsets)):
                best = extend((*offsets, x), end, best)
        return best

    return extend((), 0, best)


@cache
def solver() -> Apart:
    """Return one child process that solves for all tests of this process: starting it takes longer than solving."""
    child = Apart.start()
    atexit.register(child.__exit__, None, None, None)
    return child
