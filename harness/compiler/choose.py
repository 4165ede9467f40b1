"""Which kernel a layer gets: every candidate for the core is made and costed, the objective decides.

The portable C is always a candidate. A core without generators has no other.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.compiler.kernels import lower
from harness.compiler.kernels.armv7em import conv_2d, depthwise_conv_2d, fully_connected
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

Objective = Literal["balanced", "latency", "ram", "flash"]
Generator = Callable[[Node], Iterable[Layer]]

ARMV7EM: dict[str, Generator] = {
    "CONV_2D": conv_2d.candidates,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d.candidates,
    "FULLY_CONNECTED": fully_connected.candidates,
}
GENERATORS: dict[str, dict[str, Generator]] = {"m4f": ARMV7EM, "m7": ARMV7EM}


@dataclass(frozen=True)
class Target:
    """What a program is compiled for.

    Attributes:
        core: m0plus, m3, m4f, m7, m33, m55; None for portable C11.
        objective: what is made small, see docs/engine.md.
    """

    core: str | None = None
    objective: Objective = "balanced"


PORTABLE = Target()


def candidates(node: Node, target: Target) -> Iterator[Layer]:
    """Yield every form that a layer can take on a core, the portable one first."""
    yield lower(node)
    generate = GENERATORS.get(target.core or "", {}).get(node.operator.op)
    if generate is not None:
        yield from generate(node)


def choose(node: Node, target: Target) -> Layer:
    """Return the best candidate."""
    allowed = (c for c in candidates(node, target) if not c.transformed or target.objective == "latency")
    return min(allowed, key=lambda layer: _score(layer, target.objective))


def _score(layer: Layer, objective: Objective) -> tuple[float, ...]:
    """Return what is to be small, most important first.

    Time is cycles plus instructions: zero-wait-state cycles alone would prefer kernels with more, shorter
    instructions, each of which has to be fetched from a flash with wait states.
    """
    if layer.estimate is None:
        return (float("inf"),)
    return (layer.estimate.cycles + layer.estimate.instructions,)
