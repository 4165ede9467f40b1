"""A firmware's ELF, as far as counting needs it: which function an address is in, and what the instructions are."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path

import capstone
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol

from harness.device.blocks import BlocksUnavailable

MEASURING_FUNCTION = "ticks_around"
"""The firmware's function through whose one indirect call everything is measured (firmware/src/measure.c)."""


@dataclass(frozen=True)
class Function:
    """A function of the ELF: its name, first address and size in bytes."""

    name: str
    address: int
    code_bytes: int


@dataclass(frozen=True)
class Section:
    """Bytes of the ELF and the address they are executed at."""

    address: int
    content: bytes


@dataclass(frozen=True)
class Program:
    """An ELF's functions, in order of their addresses, and its executable sections."""

    functions: tuple[Function, ...]
    sections: tuple[Section, ...]

    @classmethod
    def read(cls, elf: Path) -> "Program":
        """Read an ELF for a Cortex-M."""
        with elf.open("rb") as file:
            image = ELFFile(file)
            sections = tuple(
                Section(section["sh_addr"], section.data())
                for section in image.iter_sections("SHT_PROGBITS")
                if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
            )
            symbols = [symbol for table in image.iter_sections("SHT_SYMTAB") for symbol in table.iter_symbols()]
        return cls(_functions([one for one in symbols if one["st_info"]["type"] == "STT_FUNC"], sections), sections)

    @cached_property
    def measuring_call(self) -> int:
        """Return the address of the call through which everything is measured.

        Raises:
            BlocksUnavailable: the firmware has no such call, or several.
        """
        calls = [
            address
            for function in self.functions
            if function.name == MEASURING_FUNCTION
            for address, _, mnemonic, _ in self._disassemble(function.address, function.code_bytes)
            if mnemonic == "blx"
        ]
        if len(calls) != 1:
            raise BlocksUnavailable(
                f"expected one indirect call in the firmware's {MEASURING_FUNCTION}, found {len(calls)}"
            )
        return calls[0]

    def function_at(self, address: int) -> Function:
        """Return the function that an address is in.

        Raises:
            BlocksUnavailable: there is none.
        """
        index = bisect.bisect_right(self.functions, address, key=lambda function: function.address) - 1
        if index < 0:
            raise BlocksUnavailable(f"expected the address {address:#x} to be in a function of the firmware")
        return self.functions[index]

    def instructions(self, address: int, count: int) -> list[tuple[str, int]]:
        """Return instructions that follow one another, each as its text and its size in bytes.

        Raises:
            BlocksUnavailable: there are not as many.
        """
        found = islice(self._disassemble(address, 4 * count), count)
        lines = [(f"{mnemonic} {operands}", size) for _, size, mnemonic, operands in found]
        if len(lines) != count:
            raise BlocksUnavailable(f"expected {count} Thumb instructions at {address:#x}, found {len(lines)}")
        return lines

    def _disassemble(self, address: int, limit: int) -> Iterator[tuple[int, int, str, str]]:
        """Yield (address, size, mnemonic, operands) of what is in the next `limit` bytes, up to what is no code."""
        for section in self.sections:
            start = address - section.address
            if 0 <= start < len(section.content):
                yield from _disassembler().disasm_lite(section.content[start : start + limit], address)


@cache
def _disassembler() -> capstone.Cs:
    return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)


def _functions(symbols: Iterable[Symbol], sections: Sequence[Section]) -> tuple[Function, ...]:
    """Return one function an address; one without a size ends where the next begins, or its section."""
    named: dict[int, Symbol] = {}
    for symbol in sorted(symbols, key=lambda one: (one["st_value"], -one["st_size"], one.name)):
        named.setdefault(symbol["st_value"] & ~1, symbol)  # bit 0 says Thumb
    ends = [*named, *(section.address + len(section.content) for section in sections)]
    return tuple(
        Function(symbol.name, address, symbol["st_size"] or min(end for end in ends if end > address) - address)
        for address, symbol in named.items()
    )
