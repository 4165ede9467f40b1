"""`harness plan`: what a model will take on a board, before anything is built."""

from dataclasses import asdict, dataclass
from typing import Any

from harness.compiler import Objective, Program, Target, read_program
from harness.compiler.memory import Moment, draw, memory_map
from harness.device.boards import Board, find_board
from harness.flows.models import find_model


@dataclass(frozen=True)
class LayerPlan:
    """One layer: the kernel it gets and why, and its estimated cost.

    Attributes:
        index: in running order.
        name: of the tensor it writes (from the file: escape it).
        op: the operator, or operators that run as one.
        kernel: the C function.
        note: why.
        fallback: whether it got the portable kernel on a core that has its own for this operator.
        macs: of the file.
        macs_executed: what is left of them, padding channels included.
        instructions: estimated.
        cycles: estimated, zero wait states.
        weights_bytes: in flash.
        scratch_bytes: of the arena, while it runs.
        arena_bytes: that are in use while it runs.
    """

    index: int
    name: str
    op: str
    kernel: str
    note: str
    fallback: bool
    macs: int
    macs_executed: int
    instructions: int
    cycles: int
    weights_bytes: int
    scratch_bytes: int
    arena_bytes: int


@dataclass(frozen=True)
class Plan:
    """A model on a board, estimated.

    Attributes:
        model: the file's stem.
        board: its name.
        optimise: the objective.
        fits: whether flash and RAM of the board are enough for the model, without the firmware around it.
        problems: what is too big, in words.
        instructions: of one inference.
        cycles: of one inference, zero wait states.
        latency_low_ms: cycles over the clock, times the published ratio of hardware to such estimates: low,
        latency_ms: middle,
        latency_high_ms: and high.
        flash_weights_bytes: exact.
        flash_code_bytes: about.
        flash_bytes: what the board has.
        ram_arena_bytes: exact.
        ram_arena_optimal: whether no order and placement of these layers needs less.
        ram_stack_bytes: about.
        ram_bytes: what the board has.
        layers: in running order.
        memory: what lies in the arena while each layer runs.
        picture: the same, drawn.
    """

    model: str
    board: str
    optimise: Objective
    fits: bool
    problems: tuple[str, ...]
    instructions: int
    cycles: int
    latency_low_ms: float
    latency_ms: float
    latency_high_ms: float
    flash_weights_bytes: int
    flash_code_bytes: int
    flash_bytes: int
    ram_arena_bytes: int
    ram_arena_optimal: bool
    ram_stack_bytes: int
    ram_bytes: int
    layers: tuple[LayerPlan, ...]
    memory: tuple[Moment, ...]
    picture: str

    @property
    def flash_total_bytes(self) -> int:
        """Return weights and code."""
        return self.flash_weights_bytes + self.flash_code_bytes

    @property
    def ram_total_bytes(self) -> int:
        """Return arena and stack."""
        return self.ram_arena_bytes + self.ram_stack_bytes

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON has it."""
        totals = {"flash_total_bytes": self.flash_total_bytes, "ram_total_bytes": self.ram_total_bytes}
        return {"schema": 1, **asdict(self), **totals}


def plan(model: str, board: str, optimise: Objective) -> Plan:
    """Plan a model for a board.

    Raises:
        UserError: no such board, or the model cannot be read or compiled.
    """
    target_board = find_board(board)
    found = find_model(model)
    target = Target(target_board.core, optimise, target_board.flash_bytes, target_board.ram_bytes)
    return describe(found.name, target_board, read_program(found.path, target))


def describe(name: str, board: Board, program: Program) -> Plan:
    """Put a program's plan into figures."""
    moments = memory_map(program.memory, program.layers)
    layers = tuple(_layer(program, index, moment) for index, moment in enumerate(moments))
    cycles = sum(layer.cycles for layer in layers)
    low, middle, high = (round(1000 * cycles * ratio / board.clock_hz, 6) for ratio in board.hardware_ratio)
    weights, code = program.flash_weights_bytes, program.flash_code_bytes
    arena, stack = program.memory.arena_bytes, program.ram_stack_bytes
    problems = [
        f"{memory}: {need} bytes, {need - has} more than the board has"
        for memory, need, has in (("flash", weights + code, board.flash_bytes), ("RAM", arena + stack, board.ram_bytes))
        if need > has
    ]
    return Plan(
        model=name, board=board.name, optimise=program.target.objective, fits=not problems, problems=tuple(problems),
        instructions=sum(layer.instructions for layer in layers), cycles=cycles,
        latency_low_ms=low, latency_ms=middle, latency_high_ms=high,
        flash_weights_bytes=weights, flash_code_bytes=code, flash_bytes=board.flash_bytes,
        ram_arena_bytes=arena, ram_arena_optimal=program.memory.optimal, ram_stack_bytes=stack,
        ram_bytes=board.ram_bytes, layers=layers, memory=moments, picture=draw(program.memory, program.layers),
    )  # fmt: skip


def _layer(program: Program, index: int, moment: Moment) -> LayerPlan:
    layer = program.layers[index]
    cost = layer.estimate
    return LayerPlan(
        index=layer.index, name=layer.name, op=layer.op, kernel=layer.kernel, note=layer.note,
        fallback=layer.op in program.target.generators and not layer.routines,
        macs=layer.macs, macs_executed=layer.macs_executed,
        instructions=round(cost.instructions) if cost else 0, cycles=round(cost.cycles) if cost else 0,
        weights_bytes=sum(constant.bytes for constant in layer.constants), scratch_bytes=layer.scratch_bytes or 0,
        arena_bytes=moment.used_bytes,
    )  # fmt: skip
