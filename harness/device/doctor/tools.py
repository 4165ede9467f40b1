"""The programs that build and emulate."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from harness.device import build
from harness.device.blocks import BlocksUnavailable
from harness.device.blocks.plugin import find_plugin
from harness.device.doctor.check import Check, Remedy
from harness.device.emulators import qemu
from harness.errors import HarnessError

COMPILER = Remedy(apt=("gcc-arm-none-eabi",))
NEWLIB = Remedy(apt=("libnewlib-arm-none-eabi",))
EMULATOR = Remedy(apt=("qemu-system-arm",))
HOST_COMPILER = Remedy(apt=("gcc", "libc6-dev"))


def compiler() -> Check:
    """Whether the compiler for the boards is there, and runs."""
    return _program(build.COMPILER, build.compiler_version, COMPILER)


def newlib_nano() -> Check:
    """Whether the small C library is there; Debian packages it apart from the compiler."""
    name = "newlib-nano"
    try:
        command = [build.COMPILER, "--print-file-name=libc_nano.a"]
        path = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return Check(name, False, "no compiler to ask", NEWLIB, needed=True)
    # The compiler answers with the bare name where it has no such file.
    if Path(path).is_absolute() and Path(path).is_file():
        return Check(name, True, str(Path(path).resolve()), needed=True)
    return Check(name, False, "not found", NEWLIB, needed=True)


def emulator() -> Check:
    """Whether the emulator is there, and runs."""
    return _program(qemu.COMMAND, qemu.qemu_version, EMULATOR)


def block_counter() -> Check:
    """Whether cycles can be taken from executed blocks: QEMU's plugin compiles here, and QEMU takes it."""
    name = "block counter"
    if shutil.which(qemu.COMMAND) is None:
        return Check(name, False, f"no {qemu.COMMAND} to ask", EMULATOR)
    try:
        return Check(name, True, f"{find_plugin().name}, taken by {qemu.COMMAND}")
    except BlocksUnavailable as problem:
        return Check(name, False, str(problem), HOST_COMPILER)


def platformio() -> Check:
    """Whether PlatformIO is installed beside this package, and starts."""
    name = "platformio"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed", Remedy(pip=(name,)), needed=True)
    command = [sys.executable, "-m", name, "--version"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return Check(name, True, version, needed=True)
    last = (result.stderr.strip().splitlines() or ["it does not say why"])[-1]
    remedy = Remedy(words=f"{sys.executable} -m pip install --force-reinstall {name}")
    return Check(name, False, f"{version} does not start: {last[:200]}", remedy, needed=True)


def _program(name: str, version: Callable[[], str], remedy: Remedy) -> Check:
    """Look at a program: one that is there but tells no version is not mended by installing another behind it."""
    path = shutil.which(name)
    if path is None:
        return Check(name, False, "not on PATH", remedy, needed=True)
    try:
        said = version()
    except HarnessError:
        said = ""
    if any(letter.isdigit() for letter in said):
        return Check(name, True, said, needed=True)
    words = f"mend or remove {path}, then run harness doctor again"
    return Check(name, False, f"{path} tells no version", Remedy(words=words), needed=True)
