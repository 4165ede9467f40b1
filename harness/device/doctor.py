"""What measuring needs from this computer: what is there, what is missing, and the command that mends it."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.device import build
from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.plugin import find_plugin
from harness.device.emulators import qemu
from harness.errors import HarnessError

DATA = "HARNESS_DATA"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        ok: whether it is as it should be.
        found: what is there.
        remedy: what to do; empty where it is fine.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


def checks() -> list[Check]:
    """Look at everything; never raises for what is missing."""
    return [compiler(), newlib_nano(), emulator(), block_counter(), platformio(), ports(), modem_manager(), data()]


def compiler() -> Check:
    """Whether the compiler for the boards is there."""
    try:
        return Check(build.COMPILER, True, build.compiler_version())
    except HarnessError:
        return Check(build.COMPILER, False, "not on PATH", build.INSTALL)


def newlib_nano() -> Check:
    """Whether the small C library is there; Debian packages it apart from the compiler."""
    name = "newlib-nano"
    try:
        command = [build.COMPILER, "--print-file-name=libc_nano.a"]
        path = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return Check(name, False, "no compiler to ask", build.INSTALL)
    # The compiler answers with the bare name where it has no such file.
    found = Path(path).is_absolute() and Path(path).is_file()
    return Check(name, True, str(Path(path).resolve())) if found else Check(name, False, "not found", build.INSTALL)


def emulator() -> Check:
    """Whether the emulator is there."""
    try:
        return Check(qemu.COMMAND, True, qemu.qemu_version())
    except HarnessError:
        return Check(qemu.COMMAND, False, "not on PATH", qemu.INSTALL)


def block_counter() -> Check:
    """Whether cycles can be taken from executed blocks: QEMU's plugin compiles here, and QEMU takes it."""
    try:
        return Check("block counter", True, f"{find_plugin().name}, taken by {qemu.COMMAND}")
    except BlocksUnavailable as problem:
        return Check("block counter", False, str(problem), "optional: apt install gcc libc6-dev qemu-system-arm")


def platformio() -> Check:
    """Whether PlatformIO is installed beside this package."""
    try:
        return Check("platformio", True, metadata.version("platformio"))
    except metadata.PackageNotFoundError:
        return Check("platformio", False, "not installed", "pip install platformio")


def ports(present: Iterable[Any] | None = None) -> Check:
    """Whether the USB serial ports that are there may be opened.

    Args:
        present: as pyserial's list_ports.comports() lists them; asked for where left out.
    """
    if present is None:
        from serial.tools import list_ports

        present = list_ports.comports()
    usb = [port.device for port in present if port.vid is not None]
    closed = [device for device in usb if not os.access(device, os.R_OK | os.W_OK)]
    if closed:
        return Check("serial ports", False, f"no permission for {', '.join(closed)}", "sudo usermod -aG dialout $USER")
    return Check("serial ports", True, ", ".join(usb) or "no USB serial port attached")


def modem_manager(processes: Path = Path("/proc")) -> Check:
    """Whether ModemManager runs: it sends modem commands to every new port and keeps it busy for seconds.

    Args:
        processes: the folder with one folder a process.
    """
    running = any(_command_of(folder) == "ModemManager" for folder in processes.glob("[0-9]*"))
    if running:
        return Check("ModemManager", False, "running; it probes boards", "sudo systemctl stop ModemManager")
    return Check("ModemManager", True, "not running")


def data() -> Check:
    """Whether the folder with real data is named and there; without it small synthetic sets are used."""
    named = os.environ.get(DATA)
    if not named:
        return Check(DATA, True, "not set: synthetic data will be used")
    if not Path(named).is_dir():
        return Check(DATA, False, f"{named} is no folder", f"export {DATA}=DIR")
    return Check(DATA, True, named)


def _command_of(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""  # ended meanwhile
