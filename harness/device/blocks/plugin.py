"""The counting plugin: compiled once for this computer, and shown to QEMU before it is relied on."""

import hashlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import resources
from harness.device.blocks import BlocksUnavailable
from harness.device.emulators import qemu

SOURCE = Path(__file__).with_name("plugin.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC")
API_VERSIONS = (1, 2)
"""Of QEMU's plugin interface; QEMU 9 takes no plugin of version 1. What plugin.c uses is the same in both."""


def find_plugin() -> Path:
    """Return the plugin, ready for this computer's QEMU; compiled if it is not in the cache yet.

    Raises:
        BlocksUnavailable: no compiler for this computer, it fails, or QEMU does not take the plugin: it wants another
            version of the interface, or was built without plugins.
    """
    refusals = []
    for version in API_VERSIONS:
        plugin = _compiled(version)
        refusal = _refusal(plugin)
        if refusal is None:
            return plugin
        refusals.append(refusal)
    raise BlocksUnavailable(f"{qemu.qemu_version()} does not take the plugin: {refusals[0]}")


def _compiled(version: int) -> Path:
    """Return the shared object in the cache, whose name has the hash of all that made it."""
    flags = (*FLAGS, f"-DAPI_VERSION={version}")
    made_of = " ".join((*flags, platform.system(), platform.machine(), SOURCE.read_text(encoding="utf-8")))
    name = f"blocks-v{version}-{hashlib.sha256(made_of.encode()).hexdigest()[:20]}.so"
    plugin = resources.cache() / "plugins" / name
    if not plugin.exists():
        _compile(plugin, flags)
    return plugin


def _compile(plugin: Path, flags: Sequence[str]) -> None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise BlocksUnavailable(
            f"expected a C compiler for this computer, {' or '.join(COMPILERS)}, on PATH, found none; "
            "install one: harness setup, or apt install gcc libc6-dev"
        )
    plugin.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=plugin.parent) as work:
        made = Path(work) / plugin.name
        result = subprocess.run(
            [compiler, *flags, "-o", str(made), str(SOURCE)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if result.returncode != 0:
            raise BlocksUnavailable(f"{compiler} cannot compile QEMU's plugin: {_first_line(result.stderr)}")
        made.replace(plugin)


def _refusal(plugin: Path) -> str | None:
    """Start QEMU without a machine, with the plugin, and leave it at once; return what it has against the plugin."""
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
    return None if result.returncode == 0 else _first_line(result.stderr)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    problem = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "it does not say why")
    return problem[:300]
