"""A serial connection to a device: sends requests, finds the replies, tries again where the line was bad.

The same code talks to a real port, to an emulator's pty and to `socket://` addresses: pyserial opens all of them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.device import protocol
from harness.device.protocol import Deframer, DeviceError, Frame, FrameError, Type
from harness.errors import EnvironmentFailure

BAUD = 115_200
"""USB and emulated ports ignore it; a real UART must agree with the firmware."""
ATTEMPTS = 4
"""Once and three times again: every request gives the same answer however often it is made."""

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 0.3
_KEPT_BYTES = 256


class SilentDevice(EnvironmentFailure):
    """No reply came to any attempt."""


def _always_alive() -> None:
    """Real hardware cannot be asked whether it still runs."""


class Link:
    """Requests and replies over an open serial port.

    Args:
        port: an open pyserial port (or URL handler); the link reads in short steps, so its timeout is set here.
        name: of the port, for messages.
        check_alive: raises an EnvironmentFailure as soon as the other end is known to be gone.
    """

    def __init__(self, port: Any, name: str, check_alive: Callable[[], None] = _always_alive) -> None:
        port.timeout = _POLL_SECONDS
        self._port = port
        self._name = name
        self._check_alive = check_alive
        self._deframer = Deframer()
        self._sequence = 0
        self._received = bytearray()

    def request(self, kind: Type, payload: bytes = b"", *, timeout: float, attempts: int = ATTEMPTS) -> bytes:
        """Send a request and return its reply's payload.

        Args:
            kind: of the request.
            payload: of the request.
            timeout: seconds to wait for a reply, for each attempt.
            attempts: how often to send it; a timeout, a broken reply or a request that broke on its way is tried again.

        Raises:
            SilentDevice: no reply; says what came instead, and what to do.
            DeviceError: the device refuses the request.
            VersionError: the device speaks another version of the protocol.
            EnvironmentFailure: the port failed, or the other end is gone.
        """
        self._sequence = self._sequence % 0xFFFF + 1  # 0 is left to errors about frames that could not be read
        encoded = protocol.encode_frame(Frame(kind, self._sequence, payload))
        self._received.clear()
        problem = ""
        for _ in range(attempts):
            try:
                self._send(encoded, timeout)
                return self._await_reply(kind, timeout)
            except protocol.VersionError:
                raise
            except DeviceError as error:
                if not error.transient:
                    raise
                problem = f"; {error}"
            except FrameError as error:
                problem = f"; {error}"
            except TimeoutError:
                problem = ""
        raise SilentDevice(
            f"expected a reply to {kind.name} from {self._name} within {timeout:g} s, {attempts} times; "
            f"last bytes received: {protocol.describe_bytes(self._received)}{problem}; "
            "reset the board, check the cable and that no other program has the port open, or flash it with --flash"
        )

    def _send(self, encoded: bytes, timeout: float) -> None:
        import serial

        try:
            self._port.write_timeout = timeout  # asks the tty, so it fails too where the other end is gone
            self._port.write(encoded)
        except serial.SerialTimeoutException as error:
            raise TimeoutError from error
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error

    def _await_reply(self, kind: Type, timeout: float) -> bytes:
        """Return the payload of the reply to the request that was sent last.

        Bytes that are no frame end the wait early, though not at once: they may be a boot message, and the reply right
        behind them.
        """
        deadline = time.monotonic() + timeout
        broken: FrameError | None = None
        while time.monotonic() < deadline:
            for encoded in self._deframer.feed(self._read()):
                try:
                    frame = protocol.decode_frame(encoded)
                except protocol.VersionError:
                    raise
                except FrameError as error:
                    broken = error
                    deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
                    continue
                if self._answers(frame, kind):
                    return frame.payload
        raise broken or TimeoutError

    def _answers(self, frame: Frame, kind: Type) -> bool:
        """Whether a frame is the reply; replies to earlier attempts and requests are not.

        Raises:
            DeviceError: it is an error about our request, or about a frame the device could not read.
        """
        if frame.type == Type.ERROR and frame.sequence in (0, self._sequence):
            raise protocol.decode_error(frame.payload)
        return frame.type == kind | protocol.REPLY and frame.sequence == self._sequence

    def _read(self) -> bytes:
        """Return what has come, waiting a moment for the first byte."""
        import serial

        try:
            data: bytes = self._port.read(1)
            if data:
                data += self._port.read(self._port.in_waiting)
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from error
        if not data:
            self._check_alive()
        self._received = (self._received + data)[-_KEPT_BYTES:]
        return data

    def _lost(self, error: Exception) -> EnvironmentFailure:
        _check_again(self._check_alive)
        return EnvironmentFailure(f"the connection to {self._name} was lost: {error}; plug the board in and try again")


@contextmanager
def open_link(url: str, check_alive: Callable[[], None] = _always_alive) -> Iterator[Link]:
    """Open a port and yield the link over it; closed at the end.

    Args:
        url: a port (/dev/ttyACM0, COM3), a pty, or socket://host:port.
        check_alive: see Link.

    Raises:
        EnvironmentFailure: it cannot be opened: not there, not permitted, in use; or the other end is gone.
    """
    try:
        port = _open(url)
    except EnvironmentFailure:
        _check_again(check_alive)  # an emulator that has died takes its tty with it: that it died is the better news
        raise
    try:
        yield Link(port, url, check_alive)
    finally:
        port.close()


def _check_again(check_alive: Callable[[], None]) -> None:
    """Raise where the other end is gone: a process that just died takes a moment to be seen dead."""
    time.sleep(_GRACE_SECONDS)
    check_alive()


def _open(url: str) -> Any:
    import serial

    try:
        return serial.serial_for_url(url, baudrate=BAUD, timeout=_POLL_SECONDS)
    except (serial.SerialException, OSError, ValueError) as error:
        if getattr(error, "errno", None) == 13 or isinstance(error, PermissionError):
            raise EnvironmentFailure(
                f"no permission to open {url}: add yourself to its group (sudo usermod -aG dialout $USER) "
                "and log in again"
            ) from error
        raise EnvironmentFailure(f"cannot open the port {url}: {error}; is the board plugged in?") from error
