"""From counts to instructions, cycles and milliseconds, each marked with where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import median
from typing import Any

from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.inference import Inference, Spent
from harness.device.blocks.program import Function
from harness.device.boards import Board
from harness.device.protocol import Hello, Measurement

INFERENCES = 5
"""How many inferences are timed: instruction counts repeat exactly, hardware hardly varies."""


@dataclass(frozen=True)
class Timing:
    """What the timed inferences say.

    Attributes:
        columns: of a row.
        layers: `instructions` and `cycles` of every layer.
        functions: of one inference, what each function of the firmware spent; None where blocks are not counted.
    """

    columns: dict[str, Any]
    layers: tuple[dict[str, int | None], ...]
    functions: Mapping[Function, Spent] | None = None


def summarise(
    timed: Sequence[Measurement], hello: Hello, board: Board, where: str, counted: Sequence[Inference] | None = None
) -> Timing:
    """Return what the timed inferences say.

    An emulator counts instructions. Cycles are those of the executed blocks by the core's timings or, where blocks were
    not counted, instructions times the core's documented cycles per instruction; latency is cycles times the published
    ratio of hardware to that estimate (low, middle, high), over the clock. A board counts cycles; instructions stay
    unknown.

    Args:
        timed: at least one measured inference.
        hello: the device's counter and clock.
        board: its core's constants.
        where: "qemu" or "hardware".
        counted: the same inferences by their executed blocks; None where nothing counted them.

    Raises:
        BlocksUnavailable: blocks and clock do not agree.
    """
    stack = {"ram_stack_bytes": max(one.stack_bytes for one in timed)}
    if where == "hardware":
        timing = _measured(timed, hello)
    elif counted is None:
        timing = _averaged(timed, board)
    else:
        check_agreement(timed, counted, board)
        timing = _counted(counted, board)
    return Timing(timing.columns | stack, timing.layers, timing.functions)


def check_agreement(timed: Sequence[Measurement], counted: Sequence[Inference], board: Board) -> None:
    """Hold the block counter against the clock: both count every instruction.

    Raises:
        BlocksUnavailable: they differ; says where.
    """
    clock = (_instructions(ticks, board) for one in timed for ticks in (one.ticks, *one.layer_ticks))
    blocks = (spent.instructions for one in counted for spent in (one.whole, *one.layers))
    for expected, got in zip_longest(clock, blocks):
        if expected != got:
            raise BlocksUnavailable(f"expected {expected} instructions, as the clock counted, got {got} by blocks")


def _counted(counted: Sequence[Inference], board: Board) -> Timing:
    """Return the inference that is the median; all figures are of this one, so that its parts add up."""
    ordered = sorted(counted, key=lambda one: (one.whole.instructions, one.whole.cycles))
    middle = ordered[(len(ordered) - 1) // 2]
    columns = _estimate(middle.whole.instructions, middle.whole.cycles, "blocks", board)
    return Timing(columns, tuple(_layer(one.instructions, one.cycles) for one in middle.layers), middle.functions)


def _averaged(timed: Sequence[Measurement], board: Board) -> Timing:
    total, *layers = (_instructions(ticks, board) for ticks in _medians(timed))
    columns = _estimate(total, total * board.cpi, "cpi", board)
    return Timing(columns, tuple(_layer(count, count * board.cpi) for count in layers))


def _estimate(instructions: int, cycles: float, method: str, board: Board) -> dict[str, Any]:
    low, middle, high = (1000 * cycles * ratio / board.clock_hz for ratio in board.hardware_ratio)
    return {
        "instructions": instructions,
        "cycles": round(cycles),
        "cycles_source": "estimated",
        "cycles_method": method,
        "latency_ms": round(middle, 6),
        "latency_low_ms": round(low, 6),
        "latency_high_ms": round(high, 6),
        "latency_source": "estimated",
    }


def _measured(timed: Sequence[Measurement], hello: Hello) -> Timing:
    ticks = [one.ticks for one in timed]
    total, *layers = _medians(timed)

    def cycles(count: float) -> int:
        return round(count * hello.clock_hz / hello.counter_hz)

    def milliseconds(count: float) -> float:
        return round(1000 * count / hello.counter_hz, 6)

    columns = {
        "instructions": None,
        "cycles": cycles(total),
        "cycles_source": "measured",
        "cycles_method": "counter",
        "latency_ms": milliseconds(total),
        "latency_low_ms": milliseconds(min(ticks)),
        "latency_high_ms": milliseconds(max(ticks)),
        "latency_source": "measured",
    }
    return Timing(columns, tuple(_layer(None, cycles(count)) for count in layers))


def _layer(instructions: int | None, cycles: float) -> dict[str, int | None]:
    return {"instructions": instructions, "cycles": round(cycles)}


def _medians(timed: Sequence[Measurement]) -> list[float]:
    """Return the median ticks of the whole model and of each layer."""
    return [median(each) for each in zip(*((one.ticks, *one.layer_ticks) for one in timed), strict=True)]


def _instructions(ticks: float, board: Board) -> int:
    return round(ticks / board.emulator.ticks_per_instruction)
