"""The boards: one JSON file each, PlatformIO's manifest with a "harness" section."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import resources
from harness.device.cores import CORES, Core
from harness.errors import UserError
from harness.nearest import did_you_mean


@dataclass(frozen=True)
class Emulator:
    """The machine that stands in for a board: same core, same code, an instruction clock instead of cycles."""

    kind: str
    machine: str
    hal: str
    flash_origin: int
    ram_origin: int
    icount_shift: int
    counter_hz: int

    @property
    def ticks_per_instruction(self) -> float:
        """Return how far the counter moves in one instruction, which takes 2**icount_shift ns."""
        return float(self.counter_hz * (1 << self.icount_shift) * 1e-9)


@dataclass(frozen=True)
class Hardware:
    """How PlatformIO knows the board itself."""

    platform: str
    board: str
    framework: str
    hal: str


@dataclass(frozen=True)
class Board:
    """A board: what a program may use of it (bytes), how it is built for, emulated and recognised."""

    name: str
    title: str
    mcu: str
    core: str
    clock_hz: int
    flash_bytes: int
    ram_bytes: int
    code_flags: str
    usb_ids: tuple[str, ...]
    bootloader_usb_ids: tuple[str, ...]
    emulator: Emulator
    hardware: Hardware | None

    @property
    def cpi(self) -> float:
        """Return the documented cycles per instruction of the core."""
        return self._core.cpi

    @property
    def hardware_ratio(self) -> tuple[float, float, float]:
        """Return (low, middle, high) of hardware cycles to estimated ones."""
        return self._core.hardware_ratio

    @property
    def _core(self) -> Core:
        return CORES[self.core]


def load_boards() -> dict[str, Board]:
    """Read every board there is, by name."""
    return {path.stem: _read(path) for path in sorted(resources.boards().glob("*.json"))}


def find_board(name: str) -> Board:
    """Return the board of that name.

    Raises:
        UserError: no such board; lists the known ones and the nearest name.
    """
    boards = load_boards()
    if name in boards:
        return boards[name]
    raise UserError(f"unknown board {name!r}: expected one of {', '.join(boards)}{did_you_mean(name, boards)}")


def attached_ports(board: Board, ports: Iterable[Any] | None = None) -> list[str]:
    """Return the serial ports whose USB ids are the board's (the sketch's, not the bootloader's)."""
    if ports is None:
        from serial.tools import list_ports

        ports = list_ports.comports()
    return [port.device for port in ports if port.vid is not None and f"{port.vid:04x}:{port.pid:04x}" in board.usb_ids]


def _read(path: Path) -> Board:
    manifest: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    section: dict[str, Any] = dict(manifest["harness"])
    section["emulator"] = Emulator(**section["emulator"])
    section["hardware"] = Hardware(**section["hardware"]) if "hardware" in section else None
    for key in ("usb_ids", "bootloader_usb_ids"):
        section[key] = tuple(section[key])
    return Board(name=path.stem, title=manifest["name"], **section)
