"""A plan to look at: what lies where while each layer runs, as data and as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from harness.compiler.layer import Layer
from harness.compiler.memory.plan import MemoryPlan, Placement

WIDTH = 100  # columns
MAX_ROWS = 40
_OFFSET = 8  # columns for the offset of a row

Role = Literal["read", "written", "held", "scratch"]


@dataclass(frozen=True)
class Occupant:
    """A buffer that is needed while a layer runs.

    Attributes:
        kind: tensor or scratch.
        name: of the tensor, as its writer calls it (from the file: escape it); of an input of the graph, input 0 ...;
            of scratch memory, the layer's.
        role: what the layer does with it; held: it is there for a later layer.
        offset: from the start of the arena, in bytes.
        bytes: its size.
        label: at most four characters: the number of the layer that writes it, i0 ... for an input, ## for scratch.
    """

    kind: Literal["tensor", "scratch"]
    name: str
    role: Role
    offset: int
    bytes: int
    label: str

    @property
    def end(self) -> int:
        """Return the offset just behind it."""
        return self.offset + self.bytes


@dataclass(frozen=True)
class Moment:
    """What lies in the arena while a layer runs.

    Attributes:
        index: of the layer, in running order.
        name: the layer's (from the file: escape it).
        op: the layer's operator.
        occupants: by offset.
        used_bytes: that they cover together; memory that an output takes over from a dying input counts once.
    """

    index: int
    name: str
    op: str
    occupants: tuple[Occupant, ...]
    used_bytes: int


def memory_map(plan: MemoryPlan, layers: Sequence[Layer]) -> tuple[Moment, ...]:
    """Tell for every layer what lies where.

    Args:
        plan: what was planned.
        layers: in running order (`plan.ordered`, `Program.layers`).
    """
    writers = {tensor: layer for layer in layers for tensor in layer.outputs}
    inputs = [p for p in plan.placements if p.buffer.tensors and writers.keys().isdisjoint(p.buffer.tensors)]
    moments = []
    for index, layer in enumerate(layers):
        alive = [p for p in plan.placements if p.buffer.first <= index <= p.buffer.last]
        found = [_occupant(p, layer, writers, inputs) for p in sorted(alive, key=lambda p: (p.offset, p.end))]
        moments.append(Moment(index, layer.name, layer.op, tuple(found), _covered(found)))
    return tuple(moments)


def _occupant(place: Placement, layer: Layer, writers: dict[int, Layer], inputs: Sequence[Placement]) -> Occupant:
    tensors = place.buffer.tensors
    if not tensors:
        return Occupant("scratch", layer.name, "scratch", place.offset, place.buffer.bytes, "##")
    role: Role = "written" if not set(tensors).isdisjoint(layer.outputs) else "held"
    role = "read" if not set(tensors).isdisjoint(layer.inputs) else role
    writer = next((writers[t] for t in tensors if t in writers), None)
    number = inputs.index(place) if writer is None else writer.index
    name, label = (f"input {number}", f"i{number}") if writer is None else (writer.name, str(number))
    return Occupant("tensor", name, role, place.offset, place.buffer.bytes, label)


def _covered(occupants: Sequence[Occupant]) -> int:
    covered = end = 0
    for occupant in occupants:  # by offset
        covered += max(0, occupant.end - max(end, occupant.offset))
        end = max(end, occupant.end)
    return covered


def draw(plan: MemoryPlan, layers: Sequence[Layer]) -> str:
    """Return a picture of the arena in plain text, at most 100 columns wide.

    A row is a range of addresses from the offset it names to that of the next row, a column is a layer, a cell names
    the layer whose output lies there. Rows are not to scale: one begins wherever a buffer begins or ends.

    Args:
        plan: what was planned.
        layers: in running order (`plan.ordered`, `Program.layers`).
    """
    moments = memory_map(plan, layers)
    edges = _edges(plan)
    width = max([2, *(len(o.label) for moment in moments for o in moment.occupants)]) + 1
    columns = (WIDTH - _OFFSET) // width
    lines = [
        f"{plan.arena_bytes} bytes{' (proven to be the least)' if plan.optimal else ''}. A number: the output of that "
        "layer; i0: an input;",
        "##: scratch; <: the output overwrites the input there.",
    ]
    for start in range(0, len(moments), columns):
        part = moments[start : start + columns]
        lines += ["", f"{'offset':>{_OFFSET - 1}} " + "".join(f"{m.index:>{width - 1}} " for m in part)]
        for low, high in pairwise(edges):
            cells = (_cell(moment, low, high) for moment in part)
            lines.append(f"{low:>{_OFFSET - 1}} " + "".join(f"{label:>{width - 1}}{mark}" for label, mark in cells))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _edges(plan: MemoryPlan) -> list[int]:
    """Return the offsets at which rows begin, and the arena's end; where they are many, the thinnest rows go."""
    edges = sorted({0, plan.arena_bytes, *(e for p in plan.placements for e in (p.offset, p.end))})
    while len(edges) > MAX_ROWS + 1:
        thinnest = min(range(1, len(edges) - 1), key=lambda i: edges[i] - edges[i - 1])
        del edges[thinnest]
    return edges


def _cell(moment: Moment, low: int, high: int) -> tuple[str, str]:
    """Return who has most of a range of addresses, and whether the layer's output overwrites an input there."""
    here = [o for o in moment.occupants if o.offset < high and low < o.end]
    if not here:
        return ".", " "
    largest = max(here, key=lambda o: (min(o.end, high) - max(o.offset, low), o.role == "written"))
    shared = any(o.offset < largest.end and largest.offset < o.end for o in here if o is not largest)
    return largest.label, "<" if shared else " "
