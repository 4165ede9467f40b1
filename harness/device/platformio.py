"""Runs PlatformIO from this environment, also where its registry cannot be reached.

PlatformIO fetches its build tool, SCons, as a package of its own (`tool-scons`) and only runs one file of it. Where
that package is not installed, the same SCons from PyPI is put in its place: three small files.
"""

import json
import logging
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import resources
from harness.errors import EnvironmentFailure

_RUN_SCONS = "import sys\n\nimport SCons.Script\n\nsys.exit(SCons.Script.main())\n"
log = logging.getLogger(__name__)
_NO_SPACE = "No space left on device"


def core_folder() -> Path:
    """Return PlatformIO's core folder: one of this project's own, so that nobody's packages are touched."""
    return resources.cache() / "platformio"


def environment() -> dict[str, str]:
    """Return the environment that PlatformIO runs in."""
    return {
        **os.environ,
        "PLATFORMIO_CORE_DIR": str(core_folder()),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def ensure_scons() -> None:
    """Put the shim of `tool-scons` in place unless the package, or a shim of the right version, is there."""
    version = _scons_version()
    package = core_folder() / "packages" / "tool-scons"
    if _installed_version(package) == version:
        return
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    files = {
        "package.json": json.dumps({"name": "tool-scons", "version": version}),
        ".piopm": json.dumps({"type": "tool", "name": "tool-scons", "version": version, "spec": spec}),
        "scons.py": _RUN_SCONS,
    }
    package.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        _write_atomically(package / name, content)


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `pio run` in a project and return its result; stdout and stderr are captured as text.

    Raises:
        EnvironmentFailure: PlatformIO cannot be started.
    """
    ensure_scons()
    command = [sys.executable, "-m", "platformio", "run", "-d", str(project), *arguments]
    settings = environment() | {"PLATFORMIO_PLATFORMS_DIR": str(project / "platforms")}
    if "hardware" in arguments:
        settings.pop("PLATFORMIO_PLATFORMS_DIR")
    log.info("run: %s", shlex.join(command))
    try:
        return subprocess.run(command, env=settings, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise EnvironmentFailure(f"PlatformIO does not start: {error.strerror}; reinstall with pip") from error


def _scons_version() -> str:
    from platformio.dependencies import get_core_dependencies

    return str(get_core_dependencies()["tool-scons"]).lstrip("~^=")


def _installed_version(package: Path) -> str | None:
    try:
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return None


def _write_atomically(path: Path, content: str) -> None:
    """Two builds may do this at once: each writes a file of its own and renames it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    Path(temporary).replace(path)
