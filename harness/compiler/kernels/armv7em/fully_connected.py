"""FULLY_CONNECTED: see dense.py, and fully_connected_armv7em.h for the rows and groups."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from harness.compiler.kernels.armv7em import dense
from harness.compiler.kernels.armv7em.conv_2d import words
from harness.compiler.kernels.armv7em.dense import STEPS, Weights
from harness.compiler.kernels.armv7em.requantize import MAX_SHIFT
from harness.compiler.kernels.fully_connected import Dense, read
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.staircase import IRREGULAR, Int64s, Staircase
from harness.compiler.layer import Layer, ShapeValue, int32_constant
from harness.compiler.routine import NOTHING, Cost, Routine

KINDS: tuple[Weights, ...] = ("int8", "int16")
SHIFTS = (MAX_SHIFT, 5, 3, 1)
"""Shifts to try: the finest, and some that layers of different scales have in common."""


def candidates(node: Node) -> Iterator[Layer]:
    """Yield the layer with int8 weights, and with weights widened to int16."""
    layer = read(node)
    for weights, shift in product(KINDS, SHIFTS):
        found = _layer(layer, weights, shift)
        if found is not None:
            yield found


def refusal(node: Node) -> str:
    """Say why there is no candidate."""
    return IRREGULAR


def _layer(layer: Dense, weights: Weights, shift: int) -> Layer | None:
    channels, depth = layer.matrix.shape
    padding = -channels % 4
    matrix = np.pad(layer.matrix, ((0, padding), (0, 0))).astype(np.int64)
    bias = np.pad(layer.bias, (0, padding)).astype(np.int64)
    plan = dense.plan(
        matrix, bias, _padded(layer.stairs(), padding), shared=len(layer.pairs) == 1, weights=weights, shift=shift
    )
    if plan is None:
        return None
    eights = channels // 8 * 8 if plan.weights != "int16" else 0
    fours = channels // 4 * 4
    parts = [
        part
        for part in ((8, 0, eights, 8), (4, eights, fours, 4), (4, fours, fours + 4, channels % 4))
        if part[1] < part[2]
    ]
    parts = [part for part in parts if part[3]]
    streams, routines, shape = [dense.head(plan)], [], dict[str, ShapeValue]()
    total, at = NOTHING, 0
    size = 8 if plan.weights == "int16" else 4
    looped = depth // size // STEPS[plan.weights]
    loop_bytes = looped * STEPS[plan.weights] * size * (2 if plan.weights == "int16" else 1)
    for name, part in zip(("first", "second", "third"), [*parts, None, None, None], strict=False):
        if part is None:
            shape |= {
                name: "0",
                f"{name}_channel": 0,
                f"{name}_stream": 0,
                f"{name}_run": {"groups": 0, "loop_bytes": 0},
            }
            continue
        group, start, stop, stores = part
        routine = dense.routine(plan, depth, group, stores)
        body = dense.stream(plan, matrix, slice(start, stop), group)
        # Shared constants stand at the head of each part, so that a routine finds them where its stream begins.
        streams += [body] if at == 0 else [dense.head(plan), body]
        shape |= {
            name: routine.name, f"{name}_channel": start, f"{name}_stream": at,
            f"{name}_run": {"groups": (stop - start) // group, "loop_bytes": loop_bytes},
        }  # fmt: skip
        at = sum(stream.size for stream in streams)
        routines.append(routine)
        total += _cost(routine, (stop - start) // group, looped)
    wide = plan.weights == "int16"
    return Layer(
        index=0,
        name=layer.name,
        op="FULLY_CONNECTED",
        kernel="fully_connected_armv7em",
        shape={"rows": layer.rows, "depth": depth, "channels": channels, "widened": int(wide), **shape},
        inputs=(layer.input,),
        outputs=(layer.output,),
        constants=(int32_constant("stream", words(np.concatenate(streams))),),
        scratch_bytes=2 * depth if wide else 0,
        macs=layer.macs,
        routines=tuple(routines),
        transformed=wide,
        note=f"{4 if wide else 8} channels, {plan.weights} weights",
        estimate=(total + Cost(25, 40) + (Cost(1.3, 2.2) * depth if wide else NOTHING)) * layer.rows,
    )


def _padded(stairs: Staircase, padding: int) -> Staircase:
    """Add channels that nobody stores; with a copy of the last multiplier, so that all still share one."""
    last: Int64s = np.repeat(stairs.multipliers[-1:], padding)
    shifts: Int64s = np.repeat(stairs.shifts[-1:], padding)
    zeros = np.zeros(padding, dtype=np.int64)
    return replace(
        stairs, multipliers=np.concatenate([stairs.multipliers, last]), shifts=np.concatenate([stairs.shifts, shifts]),
        least=np.concatenate([stairs.least, zeros]), most=np.concatenate([stairs.most, zeros]),
    )  # fmt: skip


def _cost(routine: Routine, groups: int, looped: int) -> Cost:
    times = {"call": 1, "group": groups}
    if looped:
        times["chunk"] = groups * looped
    return routine.cost(**times) + Cost(12, 20)
