"""How many cycles Cortex-M4 instructions take, by the timings of the core's Technical Reference Manual.

Zero wait states, no contention on the bus. Source: ARM 100166 (Cortex-M4 TRM), section 3.3, "Instruction set summary",
its notes on load/store timings, and 7.2.3 for the floating-point unit. Instructions are text, as capstone prints them
(`mnemonic` and `op_str`) or as a generator writes them for the assembler, so that a count of executed blocks and a cost
function share one model:

    straight_cycles(["ldrd r0, r1, [r12], #8", "smlad r4, r0, r2, r4", "ldr r0, [r1]"])  # 3 + 1 + 2
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Literal

Branch = Literal["direct", "indirect"]

DIVIDE = 7
"""SDIV and UDIV end early: 2 to 12 cycles, depending on the operands; the middle."""
FLOAT_DIVIDE, FLOAT_MULTIPLY_ADD = 14, 3

_NUMBERS = {f"r{n}": n for n in range(16)} | {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}
_PC = _NUMBERS["pc"]
_CONDITION = r"(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)?"
_DIRECT = re.compile(rf"(b|bl){_CONDITION}|cbn?z")
_INDIRECT = re.compile(rf"(bx|blx){_CONDITION}|tb[bh]")
_IT = re.compile(r"it[te]{0,3}")
_FLOAT_MULTIPLY_ADD = ("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms")
_REGISTER = re.compile(r"(r\d+|sb|sl|fp|ip|sp|lr|pc|s\d+|d\d+)(?!\w)")
_MEMORY = re.compile(r"\[(\w+)(?:\s*,\s*(\w+)[^\]]*)?[^\]]*\]")
_LIST = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction, as far as its timing goes.

    Attributes:
        name: the mnemonic in lower case, without `.w` and `.n` (a conditional one keeps its condition).
        registers: named before the first bracket: "r4", "lr", "s0"; the first of a load is its destination.
        listed: how many 32-bit registers the braces hold.
        pops_pc: whether the program counter is among those in braces.
        base: number of the base register of a memory operand; None without one.
        index: number of its index register; None without one.
        size: 2 or 4 bytes; None where it is not known.
    """

    name: str
    registers: tuple[str, ...]
    listed: int
    pops_pc: bool
    base: int | None
    index: int | None
    size: int | None

    @property
    def is_load(self) -> bool:
        """Tell whether it loads one register: what the next load or store may overlap with."""
        return self.name.startswith("ldr") and not self.name.startswith("ldrd")

    @property
    def destination(self) -> int | None:
        """Return the number of the register that a load writes."""
        return _NUMBERS.get(self.registers[0]) if self.registers else None


def straight_cycles(lines: Sequence[str], sizes: Sequence[int] | None = None) -> int:
    """Return the cycles of a straight-line run with zero wait states; a branch counts 1, as if it were not taken.

    Args:
        lines: instructions in the order they run, "ldr r0, [r1, #4]"; empty lines and `@` comments are skipped.
        sizes: bytes of each instruction, 2 or 4; without them an IT is taken to cost its cycle (it is free behind a
            16-bit instruction, `.n` says so too).

    Raises:
        ValueError: a line is no instruction, or there are not as many sizes as lines.
    """
    total = 0
    previous: Instruction | None = None
    for line, size in zip(lines, sizes or repeat(None, len(lines)), strict=True):
        if not _strip(line):
            continue
        instruction = parse(line, size)
        total += _cycles(instruction, previous)
        previous = instruction
    return total


def taken_branch_cycles(kind: Branch, target_unaligned: bool) -> int:
    """Return what a taken branch costs on top of its own cycle: the pipeline is filled again.

    Args:
        kind: "direct" for a target that the instruction names, "indirect" for one in a register or in memory.
        target_unaligned: whether the target is a 32-bit instruction that does not start on a word: one more fetch.
    """
    return {"direct": 1, "indirect": 2}[kind] + target_unaligned


def branch_kind(line: str) -> Branch | None:
    """Tell how an instruction may leave its straight line, None where it cannot."""
    instruction = parse(line)
    if _DIRECT.fullmatch(instruction.name):
        return "direct"
    loads_pc = instruction.pops_pc and instruction.name.startswith(("pop", "ldm"))
    loads_pc = loads_pc or (instruction.is_load and instruction.destination == _PC)
    return "indirect" if loads_pc or _INDIRECT.fullmatch(instruction.name) else None


def parse(line: str, size: int | None = None) -> Instruction:
    """Read one instruction.

    Raises:
        ValueError: it is none (a label, a directive).
    """
    name, operands = [*_strip(line).lower().split(maxsplit=1), "", ""][:2]
    if not re.fullmatch(r"[a-z][a-z0-9.]*", name):
        raise ValueError(f"expected an instruction, got {line!r}")
    if name.endswith((".n", ".w")):
        size = size or (2 if name.endswith(".n") else 4)
        name = name[:-2]
    listed = _expand(match[1]) if (match := _LIST.search(operands)) else []
    memory = _MEMORY.search(operands)
    return Instruction(
        name=name,
        registers=tuple(match[1] for match in _REGISTER.finditer(re.split(r"[\[{]", operands)[0])),
        listed=sum(2 if register.startswith("d") else 1 for register in listed),
        pops_pc="pc" in listed or "r15" in listed,
        base=_NUMBERS.get(memory[1]) if memory else None,
        index=_NUMBERS.get(memory[2] or "") if memory else None,
        size=size,
    )


def _strip(line: str) -> str:
    """Return a line without its comment."""
    return re.split(r"@|//", line)[0].strip()


def _expand(braces: str) -> list[str]:
    """Return the registers of a list: "r4-r6, lr" is r4, r5, r6, lr."""
    registers = []
    for part in filter(None, (part.strip() for part in braces.split(","))):
        first, _, last = (end.strip() for end in part.partition("-"))
        registers += _range(first, last) if last else [first]
    return registers


def _range(first: str, last: str) -> list[str]:
    """Return the registers from one to another, both included."""
    if first in _NUMBERS and last in _NUMBERS:
        return [f"r{n}" for n in range(_NUMBERS[first], _NUMBERS[last] + 1)]
    return [f"{first[0]}{n}" for n in range(int(first[1:]), int(last[1:]) + 1)]


def _cycles(instruction: Instruction, previous: Instruction | None) -> int:
    """Return what an instruction costs behind `previous`, which is None at the start of a run."""
    name = instruction.name
    loaded = previous.destination if previous is not None and previous.is_load else None
    if name.startswith("v"):
        return _float_cycles(instruction)
    if name.startswith(("ldrd", "strd")):
        return 3
    if name.startswith(("ldm", "stm", "push", "pop")):
        return 1 + instruction.listed
    if name.startswith("ldr"):
        # Neighbouring loads overlap, unless the address of the second waits for the first.
        return 2 if loaded in (None, instruction.base, instruction.index) else 1
    if name.startswith("str"):
        # The write buffer takes it, but a third register has to be read for an index.
        return 2 if instruction.index is not None and loaded is None else 1
    if name.startswith(("sdiv", "udiv")):
        return DIVIDE
    if _IT.fullmatch(name):
        return 0 if previous is not None and previous.size == 2 else 1
    return 1


def _float_cycles(instruction: Instruction) -> int:
    """Return what an instruction of the floating-point unit costs: transfers take a cycle a word."""
    name, registers = instruction.name, instruction.registers
    if name.startswith(("vldr", "vstr")):
        return 3 if registers[0].startswith("d") else 2
    if name.startswith(("vldm", "vstm", "vpush", "vpop")):
        return 1 + instruction.listed
    if name.startswith(("vdiv", "vsqrt")):
        return FLOAT_DIVIDE
    if name.startswith(_FLOAT_MULTIPLY_ADD):
        return FLOAT_MULTIPLY_ADD
    return 2 if name.startswith("vmov") and len(registers) > 2 else 1
