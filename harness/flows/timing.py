"""From a counter's ticks to instructions, cycles and milliseconds, each marked with where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.device.boards import Board
from harness.device.protocol import Hello, Measurement

INFERENCES = 5
"""How many inferences are timed: instruction counts repeat exactly, hardware hardly varies."""


@dataclass(frozen=True)
class Timing:
    """The columns of a row, and `instructions` and `cycles` of every layer."""

    columns: dict[str, Any]
    layers: tuple[dict[str, int | None], ...]


def summarise(timed: Sequence[Measurement], hello: Hello, board: Board, where: str) -> Timing:
    """Return what the timed inferences say.

    An emulator counts instructions; cycles are instructions times the core's documented cycles per instruction, and
    latency is cycles times the published ratio of hardware to that estimate (low, middle, high), over the clock. A
    board counts cycles; instructions stay unknown.

    Args:
        timed: at least one measured inference.
        hello: the device's counter and clock.
        board: its core's constants.
        where: "qemu" or "hardware".
    """
    ticks = [one.ticks for one in timed]
    layer_ticks = [median(each) for each in zip(*(one.layer_ticks for one in timed), strict=True)]
    stack = max(one.stack_bytes for one in timed)
    if where == "hardware":
        columns, layers = _counted(ticks, layer_ticks, hello)
    else:
        columns, layers = _estimated(ticks, layer_ticks, board)
    return Timing({**columns, "ram_stack_bytes": stack}, layers)


def _estimated(ticks: Sequence[int], layer_ticks: Sequence[float], board: Board) -> tuple[dict[str, Any], Any]:
    def instructions(count: float) -> int:
        return round(count / board.emulator.ticks_per_instruction)

    total = instructions(median(ticks))
    cycles = total * board.cpi
    low, middle, high = (1000 * cycles * ratio / board.clock_hz for ratio in board.hardware_ratio)
    columns = {
        "instructions": total,
        "cycles": round(cycles),
        "cycles_source": "estimated",
        "cycles_method": "cpi",
        "latency_ms": round(middle, 6),
        "latency_low_ms": round(low, 6),
        "latency_high_ms": round(high, 6),
        "latency_source": "estimated",
    }
    layers = tuple(
        {"instructions": count, "cycles": round(count * board.cpi)} for count in map(instructions, layer_ticks)
    )
    return columns, layers


def _counted(ticks: Sequence[int], layer_ticks: Sequence[float], hello: Hello) -> tuple[dict[str, Any], Any]:
    def cycles(count: float) -> int:
        return round(count * hello.clock_hz / hello.counter_hz)

    def milliseconds(count: float) -> float:
        return round(1000 * count / hello.counter_hz, 6)

    columns = {
        "instructions": None,
        "cycles": cycles(median(ticks)),
        "cycles_source": "measured",
        "cycles_method": "counter",
        "latency_ms": milliseconds(median(ticks)),
        "latency_low_ms": milliseconds(min(ticks)),
        "latency_high_ms": milliseconds(max(ticks)),
        "latency_source": "measured",
    }
    return columns, tuple({"instructions": None, "cycles": cycles(count)} for count in layer_ticks)
