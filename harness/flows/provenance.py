"""Where and when a row was made."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from harness import __version__


def provenance() -> dict[str, Any]:
    """Return the columns harness_version, git_commit (of the folder the command runs in) and started."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"harness_version": __version__, "git_commit": git_commit(), "started": started}


def command_line(arguments: Sequence[str]) -> str:
    """Return the command line as it can be typed again, on another computer too: the data folder by its variable."""
    data = os.environ.get("HARNESS_DATA", "").rstrip("/")

    def word(argument: str) -> str:
        inside = argument.removeprefix(f"{data}/") if data else argument
        return shlex.quote(argument) if inside == argument else f"$HARNESS_DATA/{shlex.quote(inside)}"

    return " ".join(["harness", *map(word, arguments)])


def git_commit() -> str | None:
    """Return the commit of the current folder, marked `-dirty` with uncommitted changes; None outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
