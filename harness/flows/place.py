"""Where a model runs: on an attached board, or on its emulated twin. Says which, loudly."""

from dataclasses import dataclass
from typing import Literal

from harness.device.boards import Board, attached_ports
from harness.device.emulators import renode
from harness.device.emulators.qemu import qemu_version
from harness.device.flash import answers_handshake, find_port
from harness.errors import UserError
from harness.report.progress import Speaker


@dataclass(frozen=True)
class Place:
    """A board, and whether it is the real one ("hardware") or its emulated twin ("qemu")."""

    board: Board
    where: Literal["qemu", "hardware"]

    def __str__(self) -> str:
        """Return the place in words."""
        return f"{self.board.name} ({self.where})"


def choose(board: Board, on: str, overwrite: bool, speaker: Speaker) -> Place:
    """Choose where to measure, and say it.

    Args:
        board: what to measure on.
        on: auto, qemu, hardware or renode.
        overwrite: the user gave --flash: a board may be used whatever it holds.
        speaker: what it is said through.

    Raises:
        UserError: no board is attached, or several, or it does not answer our handshake and may not be overwritten; or
            its file does not say how it is flashed.
        EnvironmentFailure: no emulator.
    """
    if on == "renode":
        raise renode.refuse()
    if on == "hardware" and board.hardware is None:
        raise UserError(
            f'expected a board whose file has a section "hardware", {board.name} has none: it can only be emulated, '
            "with --on qemu"
        )
    if on == "hardware" or (on == "auto" and board.hardware and attached_ports(board)):
        port = find_port(board, bootloader=overwrite)
        if overwrite or answers_handshake(port):
            speaker.shout(f"{board.name}: measuring on the ATTACHED BOARD at {port}")
            return Place(board, "hardware")
        if on == "hardware":
            raise UserError(f"the device at {port} does not answer and may hold another sketch: --flash overwrites it")
    qemu_version()
    reason = " (no attached board answers)" if on == "auto" else ""
    machine = f"{board.emulator.kind} {board.emulator.machine}"
    speaker.shout(f"{board.name}: EMULATED by {machine}{reason}: cycles and time are estimates")
    return Place(board, "qemu")
