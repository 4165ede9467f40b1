"""Where and when a row was made."""

import subprocess
from datetime import UTC, datetime
from typing import Any

from harness import __version__


def provenance() -> dict[str, Any]:
    """Return the columns harness_version, git_commit (of the folder the command runs in) and started."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"harness_version": __version__, "git_commit": git_commit(), "started": started}


def git_commit() -> str | None:
    """Return the commit of the current folder, marked `-dirty` with uncommitted changes; None outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
