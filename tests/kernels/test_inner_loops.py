"""What the inner loops cost: the figures of docs/engine.md, taken from the generators."""

import numpy as np
import pytest

from harness.compiler.kernels.armv7em import (
    add,
    dense,
    depthwise,
    polyphase,
    pooling,
    product,
    tile_products,
    tiles,
    winograd,
)
from harness.compiler.kernels.armv7em.dense import Plan
from harness.compiler.kernels.armv7em.depthwise import Axis, Geometry
from harness.compiler.kernels.armv7em.gather import Gather
from harness.compiler.kernels.armv7em.product import Tail
from harness.compiler.kernels.armv7em.requantize import Constants
from harness.compiler.kernels.staircase import Staircase
from harness.compiler.routine import Cost, Routine

PLAIN, EXACT = Tail(False, 5, 13, -128, 127), Tail(True, 0, 0, -128, 127)
NONE = np.zeros(0, dtype=np.int64)
STAIRS = Staircase(NONE, NONE, 0, -128, 127, NONE, NONE)


def difference(more: Routine, fewer: Routine, block: str) -> Cost:
    return more.blocks[block] + fewer.blocks[block] * -1


def pixels(gather: str, loads: str, unroll: int, tail: Tail = PLAIN) -> Routine:
    return product.routine(Gather(gather, 4), 0, unroll, loads, tail, 4)


def vector(kind: str, depth: int) -> Routine:
    plan = Plan(kind, False, PLAIN, Constants(5, NONE, NONE, NONE), STAIRS, NONE)
    return dense.routine(plan, depth, 4 if kind == "int16" else 8, 4 if kind == "int16" else 8)


def plane(outputs: int, stride: int) -> Routine:
    fast = Axis(stride * outputs, outputs, 3, stride, 1, 1, 1)
    return depthwise.routine(Geometry(fast, fast, 0, 1), depthwise.Plan(False, 5, -128, 127, NONE))


def tile(method: tiles.Method) -> Routine:
    return tile_products.products(next(tiles.schedules(method, 32)), 1)


@pytest.mark.parametrize(("loads", "cost"), [("ldrd", Cost(12, 16)), ("ldr", Cost(14, 15)), ("wide", Cost(15, 19))])
def test_sixteen_products_of_two_pixels_and_four_channels(loads, cost):
    assert difference(pixels("rows", loads, 9), pixels("rows", loads, 8), "chunk") == cost


@pytest.mark.parametrize(("tail", "cost"), [(PLAIN, Cost(37, 52)), (EXACT, Cost(65, 81))])
def test_eight_outputs_beside_their_products(tail, cost):
    written_out = product.routine(Gather("rows", 4), 64, 32, "ldrd", tail, 4)
    assert written_out.blocks["tile"] + Cost(12, 16) * -32 == cost


@pytest.mark.parametrize(("gather", "cost"), [("rows", Cost(7, 12.25)), ("columns", Cost(15, 28.25))])
def test_words_gathered_for_two_pixels(gather, cost):
    group = pixels(gather, "ldrd", 8).blocks["group"]
    assert (group.instructions - 2) / 4 == cost.instructions and (group.cycles - 2) / 4 == cost.cycles


@pytest.mark.parametrize(("kind", "depth", "cost"), [("int8", 4, Cost(31, 40)), ("int16", 8, Cost(21, 41))])
def test_thirty_two_products_of_a_vector(kind, depth, cost):
    assert difference(vector(kind, 3 * depth), vector(kind, 2 * depth), "group") == cost


@pytest.mark.parametrize(("stride", "cost"), [(1, Cost(23, 27)), (2, Cost(26, 33))])
def test_two_outputs_of_a_plane(stride, cost):
    assert difference(plane(12, stride), plane(10, stride), "line") == cost


def test_sixteen_sums():
    assert add.routine(20, -128, 127).blocks["words"] == Cost(85, 98)


@pytest.mark.parametrize("kind", ["average", "max", "mean"])
def test_sixteen_values_of_a_window(kind):
    assert pooling.routine(kind, 64, -128, 127, 3).blocks["pixel"] == Cost(12, 17)


@pytest.mark.parametrize("method", [winograd.WINOGRAD, polyphase.POLYPHASE])
def test_thirty_two_products_of_two_tiles(method):
    routines = [tile_products.products(next(tiles.schedules(method, depth)), 1) for depth in (32, 16)]
    assert difference(*routines, "first1_groups") == Cost(21, 31) * 4


@pytest.mark.parametrize(
    ("routine", "block", "cost"),
    [
        (tile_products.columns(winograd.WINOGRAD), "word", Cost(52, 67)),
        (tile(winograd.WINOGRAD), "across_0", Cost(54, 57)),
        (winograd.outputs(16, tiles.Tail("plain", 5, -128, 127)), "channel", Cost(232, 266)),
        (winograd.outputs(16, tiles.Tail("signed", 5, -128, 127)), "channel", Cost(269, 304)),
        (winograd.outputs(16, tiles.Tail("exact", 0, -128, 127)), "channel", Cost(293, 328)),
        (tile_products.columns(polyphase.POLYPHASE), "word", Cost(28, 41)),
        (tile(polyphase.POLYPHASE), "across_0", Cost(26, 29)),
        (polyphase.outputs(16, tiles.Tail("plain", 5, -128, 127)), "channel", Cost(35, 39)),
        (polyphase.outputs(16, tiles.Tail("exact", 0, -128, 127)), "channel", Cost(43, 48)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_transforms(routine, block, cost):
    assert routine.blocks[block] == cost
