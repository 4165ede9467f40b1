"""Where everything lies, and when: the planner's answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.compiler.layer import Layer


@dataclass(frozen=True)
class Buffer:
    """Memory for one or more tensors: bytes, and the first and last layer (in running order) at which it is needed."""

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
    """Where everything lies.

    Attributes:
        arena_bytes: the size of the arena.
        placements: every buffer with its offset.
        order: the layers in running order, each by its position in the list that was planned.
        bound_bytes: no order and no placement needs less; equal to the arena where the plan is proven optimal.
    """

    arena_bytes: int
    placements: tuple[Placement, ...]
    order: tuple[int, ...]
    bound_bytes: int

    @property
    def optimal(self) -> bool:
        """Tell whether the arena is proven to be the smallest."""
        return self.arena_bytes == self.bound_bytes

    def ordered(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the layers that were planned, in running order, `index` renumbered."""
        return tuple(replace(layers[old], index=new) for new, old in enumerate(self.order))

    def tensor_offset(self, tensor: int) -> int:
        """Return the offset of a tensor."""
        return next(p.offset for p in self.placements if tensor in p.buffer.tensors)

    def scratch_offset(self, layer: int) -> int:
        """Return the offset of a layer's scratch memory; the layer by its place in the running order."""
        return next(p.offset for p in self.placements if p.buffer.scratch_of == layer)
