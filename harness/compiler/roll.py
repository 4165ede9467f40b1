"""Rolling: two layers run a few rows at a time, so that what lies between them is never whole.

For objective `ram`: pairs of a convolution and the depthwise convolution that alone reads it are rolled as long as that
makes the arena smaller and the inference not too slow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.compiler.choose import Target, time
from harness.compiler.graph import Graph
from harness.compiler.kernels.armv7em import rolled
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer
from harness.compiler.memory import plan_memory

SLOWER = 1.3
"""How much slower than `balanced` an inference may become."""


@dataclass(frozen=True)
class Plan:
    """Layers, the arena they need, placed greedily, and the scratch of the one that was rolled last."""

    layers: tuple[Layer, ...]
    arena_bytes: int
    scratch_bytes: int

    @property
    def time(self) -> float:
        """Return cycles plus instructions of all layers."""
        return sum(map(time, self.layers))


def roll(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int], target: Target) -> tuple[Layer, ...]:
    """Return the layers, some of them rolled into one, in an order that may be run."""
    start = best = _plan(graph, layers, aliases)
    if target.objective != "ram" or not target.generators:
        return best.layers
    choices: dict[tuple[int, ...], list[Layer]] = {}  # output of a rolled layer -> the ways to roll it
    while True:
        tries = [
            _plan(graph, _rolled(best.layers, pair, layer), aliases, layer.scratch_bytes or 0)
            for pair in _pairs(graph, best.layers)
            for layer in choices.setdefault(pair[1].outputs, _candidates(graph, *pair))
        ]
        allowed = [plan for plan in tries if plan.time <= SLOWER * start.time]
        smallest = min(allowed, key=lambda plan: (plan.arena_bytes, plan.scratch_bytes), default=best)
        if smallest.arena_bytes >= best.arena_bytes:
            return _hasten(graph, best, aliases, choices)
        best = smallest


def _hasten(
    graph: Graph, plan: Plan, aliases: Mapping[int, int], choices: Mapping[tuple[int, ...], list[Layer]]
) -> tuple[Layer, ...]:
    """Give every rolled layer the fastest form that leaves the arena as small as it is."""
    best = plan
    for index, layer in enumerate(plan.layers):
        for other in choices.get(layer.outputs, []) if layer.kernel == "rolled_armv7em" else []:
            changed = _plan(graph, [*best.layers[:index], other, *best.layers[index + 1 :]], aliases)
            if changed.arena_bytes <= best.arena_bytes and changed.time < best.time:
                best = changed
    return best.layers


def _plan(graph: Graph, layers: Sequence[Layer], aliases: Mapping[int, int], scratch_bytes: int = 0) -> Plan:
    return Plan(tuple(layers), plan_memory(graph, layers, aliases, seconds=0).arena_bytes, scratch_bytes)


def _pairs(graph: Graph, layers: Sequence[Layer]) -> Iterator[tuple[Layer, Layer]]:
    """Yield a convolution and the only reader of its output, where that is a depthwise convolution."""
    for first in layers:
        readers = [layer for layer in layers if first.outputs[0] in layer.inputs]
        alone = len(readers) == 1 and first.outputs[0] not in graph.outputs
        if alone and first.op == "CONV_2D" and readers[0].op == "DEPTHWISE_CONV_2D":
            yield first, readers[0]


def _candidates(graph: Graph, first: Layer, second: Layer) -> list[Layer]:
    """Return the fastest way to roll two layers for each height of the bands."""
    writers = {operator.outputs[0]: operator for operator in graph.operators}
    nodes = (Node(graph, writers[layer.outputs[0]]) for layer in (first, second))
    fastest: dict[int | None, Layer] = {}
    for layer in rolled.candidates(*nodes):
        known = fastest.get(layer.scratch_bytes)
        if known is None or time(layer) < time(known):
            fastest[layer.scratch_bytes] = layer
    macs, left = first.macs + second.macs, first.macs_executed + second.macs_executed
    return [replace(layer, macs=macs, macs_executed=left) for layer in fastest.values()]


def _rolled(layers: Sequence[Layer], pair: tuple[Layer, Layer], layer: Layer) -> list[Layer]:
    first, second = pair
    return [layer if each is second else each for each in layers if each is not first]
