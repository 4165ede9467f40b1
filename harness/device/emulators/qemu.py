"""QEMU as an emulated board: started on a firmware, its console a pseudo terminal, never left behind.

The firmware's serial port is the semihosting console, which is QEMU's own stdin and stdout (see the HAL for why). They
are the master side of a pty; its slave is a tty like any other and opened with pyserial, as a board's port would be.
"""

import logging
import os
import re
import shlex
import signal
import subprocess
import tempfile
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import EnvironmentFailure

COMMAND = "qemu-system-arm"
INSTALL = "harness setup, or apt install qemu-system-arm"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Emulated:
    """A running emulator.

    Attributes:
        port: the tty to talk to the firmware through.
        process: QEMU itself.
    """

    port: str
    process: "subprocess.Popen[bytes]"
    _errors: IO[bytes]

    def check_alive(self) -> None:
        """Raise where QEMU has ended.

        Raises:
            EnvironmentFailure: it has; says how, with the last line it wrote to stderr.
        """
        status = self.process.poll()
        if status is None:
            return
        last = _last_line(self._errors)
        how = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        raise EnvironmentFailure(
            f"expected {COMMAND} to run until the end, it ended by itself: {how}{last}; run it again"
        )


@contextmanager
def emulate(
    firmware: Path, machine: str, icount_shift: int | None = None, plugin: Mapping[str, object] | None = None
) -> Iterator[Emulated]:
    """Run a firmware in QEMU for as long as the context lasts.

    Args:
        firmware: the ELF.
        machine: QEMU's name of the board, e.g. "mps2-an386".
        icount_shift: emulated time of an instruction, 2**shift ns, the same from run to run; None to run without such
            a clock, about four times as fast.
        plugin: a TCG plugin, "file", and its arguments.

    Yields:
        The running emulator. It is killed at the end of the context, whatever ends it; where this process is killed,
        the firmware finds its console closed and ends it.

    Raises:
        EnvironmentFailure: QEMU is not installed, or does not start.
    """
    clock = [] if icount_shift is None else ["-icount", f"shift={icount_shift}"]
    # No -nographic: it would lay the monitor over stdin and stdout, which are the firmware's.
    command = [COMMAND, "-M", machine, "-display", "none", "-monitor", "none", "-serial", "null"]
    command += ["-semihosting-config", "enable=on,target=native", *clock, "-kernel", str(firmware)]
    command += ["-plugin", option(plugin)] if plugin else []
    master, slave = os.openpty()
    with tempfile.TemporaryFile() as errors:
        try:
            tty.setraw(slave)
            port = os.ttyname(slave)  # now: of a QEMU that has died already, the tty does not tell it any more
            # `slave` stays open here, so that QEMU does not read the end of its input before the port is opened.
            try:
                process = _start(command, master, errors)
            finally:
                os.close(master)
            try:
                yield Emulated(port, process, errors)
            finally:
                # SIGKILL, since QEMU does not look at signals while the firmware waits for input.
                process.kill()
                process.wait()
        finally:
            os.close(slave)


def option(values: Mapping[str, object]) -> str:
    """Return an option of QEMU's with several values: "file=a.so,out=b"; a comma inside a value is doubled."""
    return ",".join(f"{name}={str(value).replace(',', ',,')}" for name, value in values.items())


def qemu_version() -> str:
    """Return the version of QEMU as rows have it, e.g. "qemu 7.2.22".

    Raises:
        EnvironmentFailure: it is not installed.
    """
    try:
        result = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise _missing(error) from error
    found = re.search(r"version (\d[\w.]*)", result.stdout)
    return f"qemu {found[1]}" if found else "qemu of an unknown version"


def _start(command: list[str], console: int, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    log.info("run: %s", shlex.join(command))
    try:
        # A session of its own: Ctrl-C is for this process, which then ends QEMU in order. No preexec_fn: the hooks that
        # Python then runs around fork swallow a Ctrl-C that comes meanwhile.
        return subprocess.Popen(command, stdin=console, stdout=console, stderr=errors, start_new_session=True)
    except OSError as error:
        raise _missing(error) from error


def _missing(error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(f"expected {COMMAND} on PATH, got: {error.strerror}; install it: {INSTALL}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return f" ({lines[-1].strip()[:200]})" if lines else ""
