"""Assembly functions that a layer may call, and what running them costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cost:
    """Instructions executed and Cortex-M4 cycles with zero wait states."""

    instructions: float
    cycles: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.instructions * times, self.cycles * times)


NOTHING = Cost(0, 0)


@dataclass(frozen=True)
class Routine:
    """One assembly function.

    Attributes:
        name: without the model's prefix; the same name always means the same text.
        parameters: of its C declaration.
        text: its instructions and labels, without the symbol itself.
        blocks: name of a block of straight-line code -> what one pass through it costs, branches back taken.
        code_bytes: about; few of the instructions have a 16-bit form.
    """

    name: str
    parameters: str
    text: str = field(repr=False)
    blocks: Mapping[str, Cost]
    code_bytes: int

    def cost(self, **times: float) -> Cost:
        """Return the cost of running each block as often as told."""
        return sum((self.blocks[block] * count for block, count in times.items()), NOTHING)
