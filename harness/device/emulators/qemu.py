"""Runs firmware in QEMU, its serial port a pseudo terminal that pyserial opens like any other port.

The firmware reads and writes the semihosting console, which with `target=native` is the emulator's own stdin and
stdout; the host makes both the master of a pseudo terminal. When the host is gone, reading the master fails and the
firmware ends the emulator; beside that, the emulator is killed at the end of the `with` block, whatever ends it.
"""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.device.boards import Board
from harness.errors import EnvironmentFailure

PROGRAM = "qemu-system-arm"
INSTALL = "apt install qemu-system-arm"


@dataclass(frozen=True)
class Qemu:
    """A running emulator: the path of its serial port, and its process."""

    port: str
    process: subprocess.Popen[bytes]
    log: Path

    def check_alive(self) -> None:
        """Raise once the emulator has ended.

        Raises:
            EnvironmentFailure: says how it ended, and the last line it wrote.
        """
        status = self.process.poll()
        if status is not None:
            raise EnvironmentFailure(
                f"the emulator ended in the middle of the run: {self._obituary(status)}; run again"
            )

    def _obituary(self, status: int) -> str:
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{how}, {lines[-1]!r}" if lines else how


@contextmanager
def run_qemu(firmware: Path, board: Board, *, clock: bool) -> Iterator[Qemu]:
    """Start the emulator, yield it, and end it.

    Args:
        firmware: the ELF to run.
        board: which machine stands in for it.
        clock: let emulated time advance with each instruction, so that the timer counts instructions; without it the
            firmware runs about four times as fast.

    Raises:
        EnvironmentFailure: QEMU is not installed.
    """
    command = [
        PROGRAM, "-M", board.emulator.machine, "-display", "none", "-monitor", "none", "-serial", "none",
        "-semihosting-config", "enable=on,target=native", "-kernel", str(firmware),
    ]  # fmt: skip
    if clock:
        command += ["-icount", f"shift={board.emulator.icount_shift}"]
    master, slave = _open_pty()
    with tempfile.NamedTemporaryFile(prefix="harness-qemu-") as log:
        try:
            process = subprocess.Popen(command, stdin=master, stdout=master, stderr=log, start_new_session=True)
        except OSError as error:
            os.close(slave)
            raise EnvironmentFailure(
                f"expected {PROGRAM} on PATH, got: {error.strerror}; install it: {INSTALL}"
            ) from error
        finally:
            os.close(master)
        try:
            yield Qemu(os.ttyname(slave), process, Path(log.name))
        finally:
            process.kill()
            process.wait()
            os.close(slave)


def qemu_version() -> str:
    """Return the emulator as rows name it, e.g. "qemu 7.2.22".

    Raises:
        EnvironmentFailure: it is not installed.
    """
    try:
        result = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EnvironmentFailure(f"expected {PROGRAM} on PATH, found none; install it: {INSTALL}") from error
    found = re.search(r"version (\d+(?:\.\d+)+)", result.stdout)
    return f"qemu {found[1]}" if found else "qemu"


def _open_pty() -> tuple[int, int]:
    """Return master and slave of a new pseudo terminal that changes no byte."""
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave
