"""From block counts to instructions and cycles of one inference, whole, by layer and by function.

Like the firmware's clock, everything is what a call takes more than a call of an empty function: its own return, and
the branch there and back, cancel out. So the instructions here and the clock's are the same number.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.cortex_m4 import branch_kind, straight_cycles, taken_branch_cycles
from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.program import Function, Program
from harness.device.blocks.regions import Block, Region

INVOKE = "model_invoke"
EMPTY = "nothing"
"""The firmware's empty function, which it measures before every other one."""


@dataclass(frozen=True)
class Spent:
    """Executed instructions, exact, and cycles by the timings of the Cortex-M4."""

    instructions: int
    cycles: int

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.instructions + other.instructions, self.cycles + other.cycles)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.instructions - other.instructions, self.cycles - other.cycles)


@dataclass(frozen=True)
class Inference:
    """One inference.

    Attributes:
        whole: of model_invoke, with all it calls.
        layers: of each model_layers[i], called on its own with the same input.
        functions: of each function in `whole`, without what it calls; they add up to `whole`.
    """

    whole: Spent
    layers: tuple[Spent, ...]
    functions: Mapping[Function, Spent]


class Meter:
    """Turns regions of one program into what they spent; every block is looked at once, however often it ran."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._costs: dict[Block, int] = {}
        self._steps: dict[tuple[Block, Block], int] = {}

    def spent(self, region: Region) -> dict[Function, Spent]:
        """Return what each function spent in a region, without what it calls.

        Raises:
            BlocksUnavailable: the program has no such code.
        """
        total: dict[Function, Spent] = defaultdict(lambda: Spent(0, 0))
        for block, count in region.blocks.items():
            total[self._program.function_at(block.pc)] += Spent(block.instructions * count, self._cost(block) * count)
        for (block, after), count in region.steps.items():
            total[self._program.function_at(block.pc)] += Spent(0, self._step(block, after) * count)
        return dict(total)

    def _cost(self, block: Block) -> int:
        if block not in self._costs:
            self._costs[block] = _straight(self._lines(block))
        return self._costs[block]

    def _step(self, block: Block, after: Block) -> int:
        if (block, after) not in self._steps:
            self._steps[block, after] = self._cost_of_step(block, after)
        return self._steps[block, after]

    def _cost_of_step(self, block: Block, after: Block) -> int:
        """Return what it costs to go from the end of one block to the start of the next.

        A taken branch fills the pipeline. Where a block ends without a branch (QEMU splits a long one), its last
        instruction still overlaps with the next one's first, which costs less than nothing.
        """
        lines, following = self._lines(block), self._lines(after)
        last, end = lines[-1], block.pc + sum(size for _, size in lines)
        kind = branch_kind(last[0])
        if kind is None:
            return _straight([last, *following]) - _straight([last]) - _straight(following)
        if after.pc == end:
            return 0
        return taken_branch_cycles(kind, target_unaligned=after.pc % 4 != 0 and following[0][1] == 4)

    def _lines(self, block: Block) -> list[tuple[str, int]]:
        return self._program.instructions(block.pc, block.instructions)


def inferences(program: Program, regions: Sequence[Region], layers: int) -> Iterator[Inference]:
    """Return what each MEASURE spent: the firmware measures the whole model, then each of its layers.

    Args:
        program: what ran.
        regions: of any number of MEASURE requests; in front of each call there is one of the empty function.
        layers: how many the model has.

    Raises:
        BlocksUnavailable: the firmware called something else, or in another order.
    """
    meter = Meter(program)
    one = 2 * (1 + layers)
    for start in range(0, len(regions), one):
        calls = regions[start : start + one]
        names = [program.function_at(region.entry).name for region in calls]
        if len(calls) != one or names[1] != INVOKE or set(names[::2]) != {EMPTY}:
            raise BlocksUnavailable(f"expected {EMPTY}, {INVOKE} and {layers} layers to be measured, got {names}")
        costs = [_beyond_empty(meter, program, *pair) for pair in zip(calls[::2], calls[1::2], strict=True)]
        totals = [sum(cost.values(), Spent(0, 0)) for cost in costs]
        yield Inference(totals[0], tuple(totals[1:]), costs[0])


def _beyond_empty(meter: Meter, program: Program, empty: Region, region: Region) -> dict[Function, Spent]:
    """Return what a call spent more than an empty one, which is taken from the function that was called."""
    spent = meter.spent(region)
    spent[program.function_at(region.entry)] -= sum(meter.spent(empty).values(), Spent(0, 0))
    return spent


def _straight(lines: Sequence[tuple[str, int]]) -> int:
    return straight_cycles([text for text, _ in lines], [size for _, size in lines])
