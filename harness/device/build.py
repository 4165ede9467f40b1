"""Builds firmware for a C folder: renders a PlatformIO project into the cache and runs `pio run`."""

import fcntl
import hashlib
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness import resources
from harness.device import platformio
from harness.device.boards import Board
from harness.errors import EnvironmentFailure

Where = Literal["qemu", "hardware"]
COMPILER = "arm-none-eabi-gcc"
INSTALL = "harness setup, or apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"
OPTIMISATION = "-O2"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Build:
    """What a build left: three ELFs, who made them and how."""

    project: Path
    firmware_elf: Path
    size_elf: Path
    empty_elf: Path
    toolchain: str
    flags: str


def build(
    folder: Path, board: Board, where: Where, advance: Callable[[int, int], None] = lambda done, steps: None
) -> Build:
    """Build the measuring firmware and the two size ELFs.

    Args:
        folder: a C folder with prefix `model`.
        board: what to build for.
        where: "qemu" for the emulated twin, "hardware" for the board itself.
        advance: called after each step with the number of steps done and that of all.

    Returns:
        The paths of the ELFs, inside the cache; the same inputs give the same paths and are not built twice.

    Raises:
        EnvironmentFailure: no compiler, no space, or the sources do not build; one line, with the log's path.
    """
    toolchain = compiler_version()
    project = resources.cache() / "builds" / _key(folder, board, toolchain)
    environments = (where, "size", "empty")
    with _locked(project):
        _render(project, folder, board)
        advance(0, len(environments))
        for done, environment in enumerate(environments, start=1):
            _run(project, environment)
            advance(done, len(environments))
    elf = {name: project / ".pio" / "build" / name / "firmware.elf" for name in environments}
    flags = f"{OPTIMISATION} {board.code_flags}"
    return Build(project, elf[where], elf["size"], elf["empty"], toolchain, flags)


def compiler_version() -> str:
    """Return the compiler as rows name it, e.g. "gcc 12.2.1".

    Raises:
        EnvironmentFailure: it is not installed.
    """
    try:
        result = subprocess.run([COMPILER, "-dumpfullversion"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EnvironmentFailure(
            f"expected the compiler {COMPILER} on PATH, found none; install it: {INSTALL}"
        ) from error
    return f"gcc {result.stdout.strip()}"


def _key(folder: Path, board: Board, toolchain: str) -> str:
    """Name a project after everything that goes into it."""
    digest = hashlib.sha256(f"{board!r}{toolchain}{platformio.core_folder()}".encode() + board.file.read_bytes())
    firmware = resources.firmware()
    for root in (folder, firmware / "src", firmware / "hal", firmware / "platform"):
        for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    digest.update((firmware / "platformio.ini.jinja").read_bytes())
    return f"{board.name}-{digest.hexdigest()[:20]}"


@contextmanager
def _locked(project: Path) -> Iterator[None]:
    """Let one process at a time build a project."""
    project.parent.mkdir(parents=True, exist_ok=True)
    with (project.parent / f"{project.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _render(project: Path, folder: Path, board: Board) -> None:
    """Write the project; files that are there already stay, so that nothing is compiled twice."""
    if (project / "platformio.ini").exists():
        log.info("from the cache: the build in %s", project)
        return
    firmware = resources.firmware()
    shutil.rmtree(project, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(firmware / "src", project / "src" / "app", ignore=ignore)
    shutil.copytree(firmware / "hal", project / "src" / "hal", ignore=ignore)
    shutil.copytree(folder, project / "src" / "model", ignore=ignore)
    shutil.copyfile(firmware / "platform" / "startup.c", project / "src" / "startup.c")
    shutil.copytree(firmware / "platform", project / "platforms" / "harness-baremetal", ignore=ignore)
    (project / "boards").mkdir()  # the project must still build when the folder that the file comes from is gone
    shutil.copyfile(board.file, project / "boards" / f"{board.name}.json")
    templates = Environment(
        loader=FileSystemLoader(firmware), undefined=StrictUndefined, trim_blocks=True, autoescape=False
    )
    context = {"board": board, "code_flags": board.code_flags}
    # platformio.ini last: it says that the project is whole.
    for template, target in (("platform/link.ld.jinja", "link.ld"), ("platformio.ini.jinja", "platformio.ini")):
        (project / target).write_text(templates.get_template(template).render(context), encoding="utf-8")
    log.info("wrote the PlatformIO project %s", project)


def _run(project: Path, environment: str) -> None:
    result = platformio.run(project, "-e", environment)
    if result.returncode != 0:
        log = project / f"{environment}.log"
        output = result.stdout + result.stderr
        log.write_text(output, encoding="utf-8")
        raise EnvironmentFailure(_explain(output, log))


def _explain(output: str, log: Path) -> str:
    if "No space left on device" in output:
        return f"the disk is full: the build needs some MB in {log.parent}; free space or set HARNESS_CACHE elsewhere"
    overflow = re.search(r"region `?(\w+)'? overflowed by (\d+) bytes", output)
    if overflow:
        return f"the firmware does not fit: {overflow[1].lower()} overflows by {overflow[2]} bytes; see {log}"
    if "RAM overflow" in output:
        return f"the firmware does not fit: less than 2048 bytes of RAM are left for the stack; see {log}"
    if "HTTPClientError" in output or "Could not find the package" in output or "UnknownPackage" in output:
        return f"PlatformIO's registry cannot be reached, and the board's platform is not installed; see {log}"
    lines = [line.strip() for line in output.splitlines() if "error" in line.lower()]
    problem = re.sub(r"(?i)\berror\b:?\s*", "", lines[0])[:300] if lines else "no message"
    return f"the firmware does not build: {problem}; the whole output is in {log}"
