"""Writing a routine: text for the assembler, and what it costs, from one and the same lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.compiler.routine import Cost, Routine
from harness.cortex_m4 import straight_cycles, taken_branch_cycles


class Writer:
    """Collects instructions into the block that is open.

    Example:
        >>> w = Writer("zero", "int8_t *out")
        >>> with w.block("call"):
        ...     w("movs r1, #0", "strb r1, [r0]", "bx lr")
        >>> w.routine().blocks["call"].instructions
        3
    """

    def __init__(self, name: str, parameters: str) -> None:
        self._name, self._parameters = name, parameters
        self._text: list[str] = []
        self._blocks: dict[str, list[str]] = {}
        self._taken: dict[str, int] = {}
        self._open = "call"

    def __call__(self, *lines: str) -> None:
        """Add instructions."""
        self._text += [f"    {line}" for line in lines]
        self._blocks.setdefault(self._open, []).extend(lines)

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Count what is added inside as part of block `name`."""
        outer, self._open = self._open, name
        try:
            yield
        finally:
            self._open = outer

    @contextmanager
    def loop(self, name: str, *ending: str) -> Iterator[None]:
        """Repeat what is added inside: a label, the lines, `ending`, a branch back while the flags say "not equal"."""
        label = f".L{self._name}_{name}"
        with self.block(name):
            self._text.append(f"{label}:")
            yield
            self(*ending, f"bne.w {label}")
            self._taken[name] = self._taken.get(name, 0) + 1

    def label(self, line: str) -> None:
        """Add a label."""
        self._text.append(line)

    def routine(self) -> Routine:
        """Return what was written."""
        branch = taken_branch_cycles("direct", target_unaligned=False)
        blocks = {
            name: Cost(len(lines), straight_cycles(lines) + branch * self._taken.get(name, 0))
            for name, lines in self._blocks.items()
        }
        size = round(3.85 * sum(len(lines) for lines in self._blocks.values()))
        return Routine(self._name, self._parameters, "\n".join(self._text), blocks, size)


def add_constant(register: str, value: int, scratch: str | None = None) -> list[str]:
    """Return instructions that add a constant, -2^31..2^31, to a register; beyond 12 bits `scratch` is overwritten."""
    if value == 0:
        return []
    operation = "add" if value > 0 else "sub"
    if abs(value) < 4096:
        return [f"{operation}w {register}, {register}, #{abs(value)}"]
    assert scratch is not None, value
    return [*load_constant(scratch, abs(value)), f"{operation} {register}, {register}, {scratch}"]


def load_constant(register: str, value: int) -> list[str]:
    """Return instructions that set a register to a 32-bit constant."""
    value &= 0xFFFFFFFF
    lines = [f"movw {register}, #{value & 0xFFFF}"]
    return lines if value < 0x10000 else [*lines, f"movt {register}, #{value >> 16}"]
