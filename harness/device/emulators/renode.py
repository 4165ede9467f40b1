"""Renode, the emulator, as a place to run: asked for by name, not supported yet."""

import shutil

from harness.errors import EnvironmentFailure


def refuse() -> EnvironmentFailure:
    """Return why `--on renode` cannot be done, and what to do instead."""
    found = "Renode is installed, but not supported yet" if shutil.which("renode") else "Renode is not installed"
    return EnvironmentFailure(f"expected --on qemu or hardware, got renode: {found}; use --on qemu")
