"""What the plugin writes: how often each block ran in each measured call, and what it ran after."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.device.blocks import BlocksUnavailable


@dataclass(frozen=True)
class Block:
    """A straight line of instructions: the address of the first, and how many they are."""

    pc: int
    instructions: int


@dataclass(frozen=True)
class Region:
    """One measured call.

    Attributes:
        entry: the address that was called.
        blocks: how often each block ran.
        steps: how often the second block of a pair ran directly after the first.
    """

    entry: int
    blocks: Mapping[Block, int]
    steps: Mapping[tuple[Block, Block], int]


@dataclass
class _Open:
    """A region whose end was not read yet."""

    entry: int
    blocks: dict[Block, int] = field(default_factory=dict)
    steps: dict[tuple[Block, Block], int] = field(default_factory=dict)


def read_regions(lines: Iterable[str]) -> Iterator[Region]:
    """Read the lines that plugin.c writes; it says what they are.

    Raises:
        BlocksUnavailable: they are something else, or the last region has no end.
    """
    region: _Open | None = None
    block: Block | None = None
    for line in lines:
        try:
            what, *numbers = line.split()
            values = [int(number) for number in numbers]
            if what == "region" and region is None:
                [entry] = values
                region, block = _Open(entry), None
            elif what == "block" and region is not None:
                block, count = _counted(values)
                region.blocks[block] = count
            elif what == "step" and region is not None and block is not None:
                after, count = _counted(values)
                region.steps[block, after] = count
            elif what == "end" and region is not None:
                yield Region(region.entry, region.blocks, region.steps)
                region = None
            else:
                raise ValueError(f"{what!r} is out of place")
        except ValueError as error:
            raise BlocksUnavailable(f"expected a line of block counts, got {line.strip()!r}: {error}") from error
    if region is not None:
        raise BlocksUnavailable("expected the counts of a whole region, they end in its middle: is the disk full?")


def _counted(values: list[int]) -> tuple[Block, int]:
    pc, instructions, count = values
    return Block(pc, instructions), count
