"""Sizes of a model on a board, from the sections of three ELFs."""

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

WEIGHTS = ".rodata.weights"


@dataclass(frozen=True)
class Sizes:
    """Bytes, as docs/measuring.md defines them."""

    flash_weights_bytes: int
    flash_code_bytes: int
    flash_total_bytes: int
    ram_static_bytes: int
    firmware_overhead_flash_bytes: int
    firmware_overhead_ram_bytes: int


@dataclass(frozen=True)
class Footprint:
    """One ELF: bytes of flash (code, constants, the image of .data), of static RAM, and of weights."""

    flash: int
    ram: int
    weights: int


def measure_sizes(firmware_elf: Path, size_elf: Path, empty_elf: Path, arena_bytes: int) -> Sizes:
    """Compare the three ELFs of a build.

    Args:
        firmware_elf: what runs on the board.
        size_elf: a main that calls init and invoke once, with the model.
        empty_elf: the same main without the model.
        arena_bytes: the planned arena, a part of size.elf's static RAM.

    Returns:
        What the model adds, and what the firmware adds on top of it.
    """
    firmware, size, empty = (footprint(path) for path in (firmware_elf, size_elf, empty_elf))
    flash_total, ram_total = size.flash - empty.flash, size.ram - empty.ram
    return Sizes(
        flash_weights_bytes=size.weights,
        flash_code_bytes=flash_total - size.weights,
        flash_total_bytes=flash_total,
        ram_static_bytes=max(0, ram_total - arena_bytes),
        firmware_overhead_flash_bytes=firmware.flash - flash_total,
        firmware_overhead_ram_bytes=firmware.ram - ram_total,
    )


def footprint(elf: Path) -> Footprint:
    """Add up an ELF's sections that take memory."""
    with elf.open("rb") as file:
        sections = [(s.name, s["sh_size"], s["sh_type"], s["sh_flags"]) for s in ELFFile(file).iter_sections()]
    loaded = [(name, size, kind, flags) for name, size, kind, flags in sections if flags & SH_FLAGS.SHF_ALLOC]
    # .data lies in flash as an image and in RAM as variables; .bss in RAM alone.
    flash = sum(size for _, size, kind, _ in loaded if kind != "SHT_NOBITS")
    ram = sum(size for _, size, _, flags in loaded if flags & SH_FLAGS.SHF_WRITE)
    return Footprint(flash, ram, sum(size for name, size, _, _ in loaded if name == WEIGHTS))
