"""Puts firmware on a board, never unasked: a board on the desk may hold somebody's sketch.

Not tested on hardware: finding, greeting and refusing are tested against pseudo terminals that misbehave; the upload
itself is PlatformIO's.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from harness.device import platformio, protocol
from harness.device.boards import Board, attached_ports
from harness.device.build import Build
from harness.device.link import open_link
from harness.device.protocol import Hello, Type
from harness.errors import EnvironmentFailure, UserError

HANDSHAKE_SECONDS = 1.0
NEW_PORT_SECONDS = 15.0


def find_port(board: Board, ports: Iterable[Any] | None = None) -> str | None:
    """Return the port of the only attached board of this kind, None where there is none.

    Raises:
        UserError: several are attached; none is picked silently.
    """
    found = attached_ports(board, ports)
    if len(found) > 1:
        raise UserError(f"expected one {board.title}, found {len(found)} at {', '.join(found)}: unplug all but one")
    return found[0] if found else None


def handshake(port: str) -> Hello | None:
    """Return what our firmware says of itself, None where something else (or nothing) is on the port.

    Raises:
        EnvironmentFailure: the port cannot be opened; names the remedy.
    """
    with open_link(port) as link:
        try:
            return protocol.decode_hello(link.request(Type.HELLO, timeout=HANDSHAKE_SECONDS, attempts=2))
        except EnvironmentFailure:
            return None


def flash(
    build: Build, board: Board, port: str, *, force: bool, find: Callable[[Board], str | None] = find_port
) -> str:
    """Upload a build and return the port of the restarted board.

    Args:
        build: made with where="hardware".
        board: what is attached.
        port: where.
        force: also when our firmware does not answer.
        find: how the port is found again; a board may come back under another name.

    Raises:
        UserError: the board runs something else, and `force` is not given.
        EnvironmentFailure: the upload failed, or the board does not come back.
    """
    if not force and handshake(port) is None:
        raise UserError(
            f"the {board.title} at {port} does not answer our handshake: it may hold another sketch; "
            "add --flash to overwrite it"
        )
    result = platformio.run(build.project, "-e", "hardware", "-t", "upload", "--upload-port", port)
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or result.stdout.strip().splitlines() or ["no message"])[-1]
        raise EnvironmentFailure(f"flashing {port} failed: {last}; press the board's reset button twice and try again")
    return _await_port(board, find)


def _await_port(board: Board, find: Callable[[Board], str | None]) -> str:
    deadline = time.monotonic() + NEW_PORT_SECONDS
    while time.monotonic() < deadline:
        port = find(board)
        if port is not None and handshake(port) is not None:
            return port
        time.sleep(0.2)
    raise EnvironmentFailure(
        f"the {board.title} did not come back within {NEW_PORT_SECONDS:g} s after flashing; unplug it, plug it in "
        "and try again"
    )
