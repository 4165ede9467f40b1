"""The counting plugin: compiled once for this computer, and shown to QEMU before it is relied on."""

import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import resources
from harness.device.blocks import BlocksUnavailable
from harness.device.emulators import qemu

SOURCE = Path(__file__).with_name("plugin.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC")


def find_plugin() -> Path:
    """Return the plugin, ready for this computer's QEMU; compiled if it is not in the cache yet.

    Raises:
        BlocksUnavailable: no compiler for this computer, it fails, or QEMU does not take the plugin (QEMU 9 raised the
            version of the plugin API; QEMU may be built without plugins).
    """
    plugin = _compiled()
    _check_accepted(plugin)
    return plugin


def _compiled() -> Path:
    """Return the shared object in the cache, whose name has the hash of all that made it."""
    digest = hashlib.sha256(SOURCE.read_bytes())
    digest.update(" ".join((*FLAGS, platform.system(), platform.machine())).encode())
    plugin = resources.cache() / "plugins" / f"blocks-{digest.hexdigest()[:20]}.so"
    if not plugin.exists():
        _compile(plugin)
    return plugin


def _compile(plugin: Path) -> None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise BlocksUnavailable(
            f"expected a C compiler for this computer, {' or '.join(COMPILERS)}, on PATH, found none; "
            "install one: apt install gcc libc6-dev"
        )
    plugin.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=plugin.parent) as work:
        made = Path(work) / plugin.name
        result = subprocess.run(
            [compiler, *FLAGS, "-o", str(made), str(SOURCE)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if result.returncode != 0:
            raise BlocksUnavailable(f"{compiler} cannot compile QEMU's plugin: {_first_line(result.stderr)}")
        made.replace(plugin)


def _check_accepted(plugin: Path) -> None:
    """Start QEMU without a machine, with the plugin, and leave it at once."""
    command = [
        qemu.COMMAND,
        "-M",
        "none",
        "-display",
        "none",
        "-monitor",
        "stdio",
        "-plugin",
        qemu.option({"file": plugin}),
    ]
    try:
        result = subprocess.run(
            command, input="quit\n", capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BlocksUnavailable(f"expected {qemu.COMMAND} to start with a plugin, got: {error}") from error
    if result.returncode != 0:
        raise BlocksUnavailable(f"{qemu.qemu_version()} does not take the plugin: {_first_line(result.stderr)}")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    problem = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "it does not say why")
    return problem[:300]
