"""The boards: one JSON file each, PlatformIO's manifest with a "harness" section; the harness's own, and a user's."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from harness import resources
from harness.device.cores import CORES, Core
from harness.errors import UserError
from harness.nearest import did_you_mean

Section = TypeVar("Section")


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
    file: Path = field(repr=False)
    mcu: str
    core: str
    clock_hz: int
    flash_bytes: int
    ram_bytes: int
    code_flags: str
    emulator: Emulator
    usb_ids: tuple[str, ...] = ()
    bootloader_usb_ids: tuple[str, ...] = ()
    hardware: Hardware | None = None

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
    """Read every board that comes with the harness, by name."""
    return {path.stem: read_board(path) for path in sorted(resources.boards().glob("*.json"))}


def is_file(board: str) -> bool:
    """Tell whether what the user calls a board is a file of his own: NAME.json."""
    return board.endswith(".json")


def find_board(name: str) -> Board:
    """Return the board of that name, or that of a user's file.

    Args:
        name: one of `load_boards`, or the path of a board file, which ends in .json.

    Raises:
        UserError: no such board; lists the known ones and the nearest name. Or as for `read_board`; or the file has
            the name of another board, so that their rows could not be told apart.
    """
    boards = load_boards()
    if is_file(name):
        board = read_board(Path(name))
        if board.name in boards and not board.file.samefile(boards[board.name].file):
            raise UserError(f"expected a name of its own for the board of {name}, {board.name} is one of the harness's")
        return board
    if name in boards:
        return boards[name]
    raise UserError(
        f"unknown board {name!r}: expected one of {', '.join(boards)}, or a board file of yours, NAME.json"
        f"{did_you_mean(name, boards)}"
    )


def find_boards(names: Iterable[str]) -> tuple[Board, ...]:
    """Return the boards of some names, each once.

    Raises:
        UserError: as for `find_board`, or two files of one name: their rows could not be told apart.
    """
    found: dict[str, Board] = {}
    for board in map(find_board, names):
        other = found.setdefault(board.name, board)
        if not other.file.samefile(board.file):
            raise UserError(f"expected board files of different names, got {other.file} and {board.file}: rename one")
    return tuple(found.values())


def attached_ports(board: Board, ports: Iterable[Any] | None = None) -> list[str]:
    """Return the serial ports whose USB ids are the board's (the sketch's, not the bootloader's)."""
    if ports is None:
        from serial.tools import list_ports

        ports = list_ports.comports()
    return [port.device for port in ports if port.vid is not None and f"{port.vid:04x}:{port.pid:04x}" in board.usb_ids]


def read_board(path: Path) -> Board:
    """Read a board file; the board is called like the file.

    Raises:
        UserError: it cannot be read, lacks something, has what nobody knows, or contradicts itself.
    """
    manifest = _manifest(path)
    section = manifest["harness"]
    names = {"name": path.stem, "title": str(manifest.get("name", path.stem)), "file": path}
    board = _section(Board, {**section, **names}, f'"harness" of {path}')
    _check(board, manifest)
    return board


def _manifest(path: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no JSON and no UTF-8 are ValueErrors
        raise UserError(f"expected a board file at {path}, got: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(manifest, dict):
        raise UserError(f"expected {path} to be one JSON object, got {type(manifest).__name__}")
    for name in ("harness", "build", "upload"):
        if not isinstance(manifest.get(name), dict):
            raise UserError(f'expected the section "{name}" in {path}, a table, got {manifest.get(name)!r}')
    return manifest


def _section(kind: type[Section], table: Mapping[str, Any], where: str) -> Section:
    """Build a dataclass from a table, refusing names it does not have, gaps, and values of another type."""
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            raise UserError(
                f"unknown {name!r} in {where}: expected one of {', '.join(known)}{did_you_mean(name, known)}"
            )
    missing = [name for name, each in known.items() if each.default is MISSING and name not in table]
    if missing:
        raise UserError(f"expected {', '.join(missing)} in {where}, found none")
    return kind(**{name: _value(known[name].type, value, name, where) for name, value in table.items()})


def _value(kind: Any, value: Any, name: str, where: str) -> Any:
    """Return a value as a field's type has it."""
    if kind in (Emulator, Hardware | None) and isinstance(value, dict):
        return _section(Emulator if kind is Emulator else Hardware, value, f'"{name}" of {where}')
    if kind == tuple[str, ...] and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if kind in (str, int, Path) and isinstance(value, kind) and not isinstance(value, bool):
        return value
    words = {str: "a text", int: "a whole number", tuple[str, ...]: "a list of texts"}
    raise UserError(f"expected {words.get(kind, 'a table')} for {name!r} in {where}, got {value!r}")


def _check(board: Board, manifest: Mapping[str, Any]) -> None:
    """Refuse what would only fail, or mislead, after a build."""
    emulator, hal = board.emulator, resources.firmware() / "hal" / f"{board.emulator.hal}.c"
    clock = str(manifest["build"].get("f_cpu")).rstrip("L")
    flash, ram = (manifest["upload"].get(name) for name in ("maximum_size", "maximum_ram_size"))
    for name, value, good, expected in (
        ("the file's name", board.name, re.fullmatch(r"[A-Za-z0-9_-]+", board.name), "letters, digits, _ and -"),
        ("core", board.core, board.core in CORES, f"one of {', '.join(CORES)}"),
        ("clock_hz", board.clock_hz, board.clock_hz > 0, "1 or more"),
        ("emulator.kind", emulator.kind, emulator.kind == "qemu", "qemu"),
        ("emulator.hal", emulator.hal, hal.is_file(), f"the name of a C file in {hal.parent}"),
        ("build.f_cpu", clock, clock == str(board.clock_hz), f"harness.clock_hz, {board.clock_hz},"),
        ("upload.maximum_size", flash, flash == board.flash_bytes, f"harness.flash_bytes, {board.flash_bytes},"),
        ("upload.maximum_ram_size", ram, ram == board.ram_bytes, f"harness.ram_bytes, {board.ram_bytes},"),
    ):
        if not good:
            raise UserError(f"expected {expected} for {name} of {board.file}, got {value!r}")
