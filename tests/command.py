"""Run the command as a user does, and check what every failure must look like."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def harness(
    *arguments: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run `harness` with `arguments`, in `cwd`, with changes to the environment."""
    command = [sys.executable, "-c", "from harness.cli import main; main()", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=timeout, check=False)


def assert_failed(result: subprocess.CompletedProcess[str], status: int, *parts: str) -> str:
    """Check the exit status and the one line with the word "error", which has every one of `parts`; return it."""
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if re.search(r"\berror\b", line, re.IGNORECASE)]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("harness: error: ")
    for part in parts:
        assert part in lines[0]
    return lines[0]
