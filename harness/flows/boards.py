"""`harness boards`: what can be measured on, and what of it is attached."""

from typing import Any

from harness.device.boards import Board, attached_ports, load_boards


def list_boards(*, attached_only: bool) -> list[dict[str, Any]]:
    """Return every board as the document of `boards --json` has it.

    Args:
        attached_only: leave out boards whose USB ids no serial port of this computer has.
    """
    found = [_describe(board) for board in load_boards().values()]
    return [board for board in found if board["attached"] or not attached_only]


def _describe(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "mcu": board.mcu,
        "core": board.core,
        "clock_hz": board.clock_hz,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
        "emulator": f"{board.emulator.kind} {board.emulator.machine}",
        "attached": bool(attached_ports(board)),
    }
