"""What a measurement needs from this computer, what of it is there, and how to mend what is not."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.device import build, platformio
from harness.device.emulators import qemu
from harness.errors import HarnessError


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is fine, what was found, and what mends it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def checks() -> list[Check]:
    """Look at everything; nothing is changed."""
    return [
        _tool("compiler", build.compiler_version, build.INSTALL),
        _newlib(),
        _tool("emulator", qemu.qemu_version, qemu.INSTALL),
        _platformio(),
        _ports(),
        _modem_manager(),
        _data(),
    ]


def _tool(name: str, version: Callable[[], str], install: str) -> Check:
    try:
        return Check(name, True, version())
    except HarnessError:
        return Check(name, False, "not on PATH", f"sudo {install}")


def _newlib() -> Check:
    """The compiler answers with a path where it has the file, and with the bare name where it has not."""
    wanted = "libc_nano.a"
    try:
        command = [build.COMPILER, f"--print-file-name={wanted}"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        found = wanted
    there = Path(found).is_absolute()
    return Check("C library", there, found if there else "no newlib-nano", "" if there else f"sudo {build.INSTALL}")


def _platformio() -> Check:
    try:
        from platformio import __version__
    except ImportError:
        return Check("PlatformIO", False, "not installed", "pip install platformio scons")
    return Check("PlatformIO", True, f"platformio {__version__}, core folder {platformio.core_folder()}")


def _ports() -> Check:
    """A board's port belongs to a group; without it, opening fails."""
    from serial.tools import list_ports

    ports = [port.device for port in list_ports.comports()]
    denied = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if denied:
        return Check("serial ports", False, f"no permission for {', '.join(denied)}", "sudo usermod -aG dialout $USER")
    return Check("serial ports", True, ", ".join(ports) or "none attached")


def _modem_manager() -> Check:
    """ModemManager talks to every new port and garbles the first seconds of a board."""
    running = any(_name(path) == "ModemManager" for path in Path("/proc").glob("[0-9]*/comm"))
    remedy = "sudo systemctl disable --now ModemManager" if running else ""
    return Check("ModemManager", not running, "running: it probes serial ports" if running else "not running", remedy)


def _name(comm: Path) -> str:
    try:
        return comm.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _data() -> Check:
    """Without real data, students are judged by the synthetic set."""
    folder = os.environ.get("HARNESS_DATA")
    if folder and Path(folder).is_dir():
        free = shutil.disk_usage(folder).free
        return Check("real data", True, f"HARNESS_DATA={folder} ({free // 2**30} GiB free)")
    found = f"HARNESS_DATA={folder}: no such folder" if folder else "HARNESS_DATA is not set"
    return Check("real data", False, found, "export HARNESS_DATA=FOLDER with the data sets")
