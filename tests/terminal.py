"""Run the command in a terminal, a pty as wide as most, and return all that a person would see."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.command import ROOT


def in_terminal(
    *arguments: str | Path, cwd: Path = ROOT, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> tuple[int, str]:
    """Return the exit status and everything written to the terminal, stdout and stderr together."""
    command = [sys.executable, "-c", "from harness.cli import main; main()", *map(str, arguments)]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "COLUMNS": "100",
        **(environment or {}),
    }
    for name in {"NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"} - {*(environment or {})}:
        variables.pop(name, None)
    mine, theirs = pty.openpty()
    deadline = time.monotonic() + timeout
    with subprocess.Popen(command, cwd=cwd, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while time.monotonic() < deadline:
                if select.select([mine], [], [], 1)[0]:
                    seen += os.read(mine, 1 << 16)
        except OSError:  # EIO: the other side is closed
            pass
        finally:
            os.close(mine)
            if time.monotonic() >= deadline:
                process.kill()
    return process.returncode, seen.decode("utf-8", "replace")
