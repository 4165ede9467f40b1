"""Where a model runs: on an attached board, or on its emulated twin. Says which, loudly."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from harness.device.boards import Board
from harness.device.build import Build
from harness.device.emulators.qemu import qemu_version
from harness.device.emulators.renode import refuse_renode
from harness.device.flash import find_port, flash, handshake
from harness.device.runner import Device, open_device
from harness.errors import EnvironmentFailure, UserError
from harness.report.progress import Speaker


@dataclass(frozen=True)
class Place:
    """A board and whether it is the real one.

    Attributes:
        board: what it is.
        where: "qemu" or "hardware".
        overwrite: whether the user allowed to flash a board that holds something else.
    """

    board: Board
    where: Literal["qemu", "hardware"]
    overwrite: bool = False

    def __str__(self) -> str:
        """Return the place in words."""
        twin = f", emulated by {self.board.emulator.kind} {self.board.emulator.machine}"
        return f"{self.board.name}{twin if self.where == 'qemu' else ' (the real board)'}"

    @contextmanager
    def open(self, built: Build, sha256: str, *, clock: bool) -> Iterator[Device]:
        """Open the device with a build on it; a real board that runs another model is flashed first.

        Raises:
            UserError: the board answers no handshake and may not be overwritten.
            EnvironmentFailure: it is not attached any more, or does not answer.
        """
        port = self._ready_port(built, sha256) if self.where == "hardware" else None
        with open_device(self.board, built, self.where, clock=clock, sha256=sha256, port=port) as device:
            yield device

    def _ready_port(self, built: Build, sha256: str) -> str:
        port = find_port(self.board)
        if port is None:
            raise EnvironmentFailure(f"the {self.board.title} is not attached any more: plug it in and run again")
        hello = handshake(port)
        if hello is not None and hello.sha256 == sha256:
            return port
        return flash(built, self.board, port, force=self.overwrite)


def choose(board: Board, on: str, overwrite: bool, speaker: Speaker) -> Place:
    """Choose where to measure, and say it.

    Args:
        board: what to measure on.
        on: auto, qemu, hardware or renode.
        overwrite: the user gave --flash.
        speaker: what it is said through.

    Raises:
        UserError: the attached board does not answer our handshake and --flash is not given, or several are attached.
        EnvironmentFailure: no board, no emulator.
    """
    if on == "renode":
        refuse_renode()
    if on != "qemu" and _board_answers(board, on, overwrite):
        speaker.shout(f"{board.name}: measuring on the attached board")
        return Place(board, "hardware", overwrite)
    qemu_version()
    reason = " (no attached board answers)" if on == "auto" else ""
    machine = f"{board.emulator.kind} {board.emulator.machine}"
    speaker.shout(f"{board.name}: EMULATED by {machine}{reason}; cycles and time are estimates")
    return Place(board, "qemu")


def _board_answers(board: Board, on: str, overwrite: bool) -> bool:
    port = find_port(board)
    if port is None:
        if on == "hardware":
            raise EnvironmentFailure(f"expected an attached {board.title}, found none: plug it in, or use --on qemu")
        return False
    if overwrite or handshake(port) is not None:
        return True
    if on == "hardware":
        raise UserError(f"the {board.title} at {port} may hold another sketch: add --flash to overwrite it")
    return False
