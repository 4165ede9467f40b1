"""Which kernel each layer gets: every candidate for the core is made and costed, the objective decides.

The portable C is always a candidate, and the only one for a core without generators.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from harness.compiler.kernels import estimate, lower, size
from harness.compiler.kernels.armv7em import (
    add,
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    mean,
    pool_2d,
    tiled_conv_2d,
)
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

Objective = Literal["balanced", "latency", "ram", "flash"]
OBJECTIVES: tuple[Objective, ...] = ("balanced", "latency", "ram", "flash")
Generator = Callable[[Node], Iterable[Layer]]

ARMV7EM: Mapping[str, tuple[Generator, ...]] = {
    "ADD": (add.candidates,),
    "AVERAGE_POOL_2D": (pool_2d.candidates,),
    "CONV_2D": (conv_2d.candidates, tiled_conv_2d.candidates),
    "DEPTHWISE_CONV_2D": (depthwise_conv_2d.candidates,),
    "FULLY_CONNECTED": (fully_connected.candidates,),
    "MAX_POOL_2D": (pool_2d.candidates,),
    "MEAN": (mean.candidates,),
}
TRANSFORMING = (tiled_conv_2d.candidates,)
"""Generators all of whose candidates store transformed weights: their search is spared where those are not allowed."""
GENERATORS: Mapping[str, Mapping[str, tuple[Generator, ...]]] = {"m4f": ARMV7EM, "m7": ARMV7EM}
REFUSALS: Mapping[str, Callable[[Node], str]] = {
    "CONV_2D": conv_2d.refusal,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d.refusal,
    "FULLY_CONNECTED": fully_connected.refusal,
}
"""Why an operator has no candidate but the portable kernel."""

PRICE_OF_A_BYTE: Mapping[Objective, float] = {"latency": 0.0, "balanced": 7e-7, "ram": 7e-7, "flash": 1e9}
"""What a byte of flash is worth, in parts of the inference's time: in `balanced`, one KiB must save 0.07 %."""
ROUNDS = 8


@dataclass(frozen=True)
class Target:
    """What a program is compiled for.

    Attributes:
        core: m0plus, m3, m4f, m7, m33, m55; None for portable C11.
        objective: what is made small, see docs/engine.md.
        flash_bytes: what there is; None for no limit.
        ram_bytes: likewise.
        price: what a byte of flash is worth, in parts of the inference's time; None for the objective's.
    """

    core: str | None = None
    objective: Objective = "balanced"
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    price: float | None = None

    @property
    def byte(self) -> float:
        """Return what a byte of flash is worth."""
        return PRICE_OF_A_BYTE[self.objective] if self.price is None else self.price

    @property
    def generators(self) -> Mapping[str, tuple[Generator, ...]]:
        """Return the generators for the core, by operator."""
        return GENERATORS.get(self.core or "", {})

    @property
    def shared(self) -> bool:
        """Tell whether layers of all shapes share one C function, told its shape, instead of one folded in for each."""
        return self.objective == "flash"

    @property
    def channel_multiple(self) -> int:
        """Return what channel counts are rounded up to: four where kernels take four channels at a time."""
        return 4 if self.generators and not self.shared else 1


PORTABLE = Target()


@dataclass(frozen=True)
class Options:
    """The candidates of one layer, the portable one first."""

    layers: tuple[Layer, ...]

    @property
    def least_time(self) -> float:
        """Return the time of the fastest."""
        return min(map(time, self.layers))


def choose(nodes: Sequence[Node], target: Target) -> list[Layer]:
    """Choose a kernel for every node.

    Layers that share a routine or an instance pay for it together. So each layer in turn takes what is best beside the
    others' present choice, until none changes: from the fastest of each, and from the portable ones; the better wins.
    """
    options = [candidates(node, target) for node in nodes]
    total = sum(each.least_time for each in options) or 1.0
    starts = [[min(each.layers, key=time) for each in options], [each.layers[0] for each in options]]
    settled = [_settle(options, start, target, total) for start in starts]
    return min(settled, key=partial(_worth, target=target, total=total))


def _settle(options: Sequence[Options], start: Sequence[Layer], target: Target, total: float) -> list[Layer]:
    """Let each layer take what is best beside the others, until none changes."""
    chosen = list(start)
    price = target.byte
    uses = Counter(part for layer in chosen for part in parts(layer, target.shared))
    for _ in range(ROUNDS):
        before = list(chosen)
        for index, each in enumerate(options):
            uses.subtract(parts(chosen[index], target.shared))
            paid = {part for part, count in uses.items() if count > 0}
            score = partial(_score, total=total, price=price, paid=paid, shared=target.shared)
            chosen[index] = min(each.layers, key=score)
            uses.update(parts(chosen[index], target.shared))
        if all(a is b for a, b in zip(before, chosen, strict=True)):
            break
    return chosen


def _worth(layers: Sequence[Layer], target: Target, total: float) -> float:
    """Return what all layers cost together: time, and flash at its price."""
    constants = sum(constant.bytes for layer in layers for constant in layer.constants)
    flash = constants + code_bytes(layers, shared=target.shared)
    return sum(map(time, layers)) / total + target.byte * flash


def _score(layer: Layer, total: float, price: float, paid: set[str], shared: bool) -> tuple[float, int]:
    return time(layer) / total + price * new_bytes(layer, paid, shared), layer.scratch_bytes or 0


def candidates(node: Node, target: Target) -> Options:
    """Return every form that a layer may take on a core for an objective."""
    portable = lower(node)
    portable = replace(portable, estimate=estimate.portable(node, portable, small=target.shared))
    latency = target.objective == "latency"
    generators = [g for g in target.generators.get(node.operator.op, ()) if latency or g not in TRANSFORMING]
    made = [layer for generate in generators for layer in generate(node)]
    allowed = [layer for layer in made if latency or not layer.transformed]
    return Options((replace(portable, note=_note(node, target, allowed)), *allowed))


def _note(node: Node, target: Target, made: Sequence[Layer]) -> str:
    """Say why a layer would get the portable kernel."""
    op = node.operator.op
    if made:
        return "portable: less flash"
    if not target.generators:
        return ""
    refusal = REFUSALS.get(op)
    return f"portable: {refusal(node)}" if refusal else "portable: the only kernel"


def time(layer: Layer) -> float:
    """Return what a layer costs: cycles plus instructions.

    Zero-wait-state cycles alone would prefer more, shorter instructions; each has to be fetched from a flash that has
    wait states.
    """
    return layer.estimate.cycles + layer.estimate.instructions if layer.estimate else 0.0


def new_bytes(layer: Layer, paid: set[str], shared: bool) -> int:
    """Return the flash that a layer takes: its constants, and the code that is not there yet."""
    constants = sum(constant.bytes for constant in layer.constants)
    routines = sum(routine.code_bytes for routine in layer.routines if routine.name not in paid)
    instance = 0 if instance_of(layer, shared) in paid else size.instance(layer, shared=shared)
    return constants + routines + instance + (size.call(layer) if shared else 0)


def parts(layer: Layer, shared: bool) -> set[str]:
    """Return names for the code that a layer brings."""
    return {routine.name for routine in layer.routines} | {instance_of(layer, shared)}


def instance_of(layer: Layer, shared: bool) -> str:
    """Return a name for the C function that layers of this kernel share, of any shape or of this one."""
    return layer.kernel if shared else f"{layer.kernel} {layer.shape}"


def code_bytes(layers: Sequence[Layer], *, shared: bool) -> int:
    """Return about what the code of some layers takes, each routine and each instance once."""
    code = size.LIBRARY
    paid: set[str] = set()
    for layer in layers:
        code += new_bytes(layer, paid, shared) - sum(constant.bytes for constant in layer.constants)
        paid |= parts(layer, shared)
    return code


def with_macs(layer: Layer, macs: int) -> Layer:
    """Return a layer that says how many products the file asked for, and how many are left."""
    return replace(layer, macs=macs, macs_executed=layer.macs)
