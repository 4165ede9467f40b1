"""Finds an attached board, and flashes it: only one of ours, unless told to.

What is here up to the call of PlatformIO is tested against ports that misbehave. The upload itself (PlatformIO's
nordicnrf52 platform: bossac after a touch at 1200 baud) and the reappearance of the port are written from its
documentation and have not been run on a board.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from harness.device import platformio, protocol
from harness.device.boards import Board
from harness.device.build import Build
from harness.device.link import SilentDevice, open_link
from harness.device.protocol import DeviceError, MessageError, Type, VersionError
from harness.errors import EnvironmentFailure, UserError

HANDSHAKE_SECONDS = 1.0
REAPPEAR_SECONDS = 20.0


def find_port(board: Board, *, bootloader: bool = False, ports: Iterable[Any] | None = None) -> str:
    """Return the serial port of the one attached board.

    Args:
        board: whose USB ids to look for.
        bootloader: whether a board that waits in its bootloader counts as well.
        ports: as pyserial's list_ports.comports() lists them; asked for where left out.

    Raises:
        UserError: no such board, or several; says which ports there are.
    """
    if ports is None:
        ports = _list_ports()
    present = [(port.device, f"{port.vid:04x}:{port.pid:04x}") for port in ports if port.vid is not None]
    wanted = board.usb_ids + (board.bootloader_usb_ids if bootloader else ())
    found: list[str] = [device for device, usb in present if usb in wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"expected one attached {board.title}, found {', '.join(sorted(found))}; unplug all but one")
    others = ", ".join(f"{device} ({usb})" for device, usb in sorted(present)) or "none"
    raise UserError(
        f"expected an attached {board.title} (USB {' or '.join(wanted)}), found these USB serial ports: {others}; "
        "plug it in with a data cable, press reset twice if it hangs, or use --on qemu"
    )


def answers_handshake(port: str) -> bool:
    """Whether the device on a port runs firmware of ours, of whatever version or model.

    Raises:
        EnvironmentFailure: the port cannot be opened, or was lost.
    """
    return _ask(port) is not None


def running_model(port: str) -> str | None:
    """Return the SHA-256 of the model that the device on a port runs; None where it is no firmware of this version.

    Raises:
        EnvironmentFailure: the port cannot be opened, or was lost.
    """
    return _ask(port) or None


def flash(
    build: Build,
    board: Board,
    port: str,
    *,
    force: bool = False,
    list_ports: Callable[[], Iterable[Any]] | None = None,
) -> str:
    """Put a build onto a board.

    A board on the desk may hold somebody's sketch: it is overwritten only if it answers our handshake, or by force.

    Args:
        build: made for "hardware".
        board: what is attached.
        port: where.
        force: flash whatever is there.
        list_ports: what lists the ports; for tests.

    Returns:
        The port on which the board came back: the upload resets it, and its port may get another name.

    Raises:
        UserError: no handshake and no force.
        EnvironmentFailure: the upload failed, or the board did not come back.
    """
    if not force and not answers_handshake(port):
        raise UserError(
            f"the device on {port} does not answer our handshake and may hold somebody's sketch, "
            "so it was left alone; give --flash to overwrite it"
        )
    arguments = ("-e", "hardware", "-t", "upload", "--upload-port", port)
    result = platformio.run(build.project, *arguments)
    if result.returncode != 0:
        raise EnvironmentFailure(explain_upload(result.stdout + result.stderr, port))
    return await_port(board, list_ports=list_ports or _list_ports)


def await_port(
    board: Board, *, list_ports: Callable[[], Iterable[Any]], timeout: float = REAPPEAR_SECONDS, step: float = 0.25
) -> str:
    """Wait until the board is back after an upload and return its port.

    Raises:
        EnvironmentFailure: it is not, `timeout` seconds later.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return find_port(board, ports=list_ports())
        except UserError as error:
            if time.monotonic() >= deadline:
                raise EnvironmentFailure(f"the board did not come back after the upload: {error}") from error
        time.sleep(step)


def explain_upload(output: str, port: str) -> str:
    """Return what went wrong with an upload, and the remedy, from PlatformIO's output."""
    known = (
        ("Permission denied", f"no permission for {port}: sudo usermod -aG dialout $USER, then log in again"),
        ("Device or resource busy", f"{port} is in use: close other programs; ModemManager probes new ports (stop it)"),
        ("HTTPClientError", "PlatformIO's registry cannot be reached, and the board's platform is not installed"),
        ("UnknownPackage", "PlatformIO's registry does not have the board's platform; check the connection"),
        ("No device found", f"no bootloader answered on {port}: press reset twice and try again with --flash"),
        ("SAM-BA operation failed", f"the bootloader on {port} stopped answering: press reset twice and try again"),
    )
    for sign, meaning in known:
        if sign in output:
            return f"the upload failed: {meaning}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1][:200] if lines else "no message"
    return f"the upload to {port} failed: {last}; press reset twice and try again with --flash"


def _ask(port: str) -> str | None:
    """Return the SHA-256 of the model of the firmware on a port, "" where it is ours but of another version."""
    with open_link(port) as link:
        try:
            payload = link.request(Type.HELLO, timeout=HANDSHAKE_SECONDS, attempts=2)
            return protocol.decode_hello(payload).sha256
        except (VersionError, DeviceError):
            return ""
        except (SilentDevice, MessageError):
            return None


def _list_ports() -> list[Any]:
    from serial.tools import list_ports

    return list(list_ports.comports())
