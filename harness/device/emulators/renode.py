"""Renode is not supported yet; asking for it says so."""

from typing import NoReturn

from harness.errors import EnvironmentFailure


def refuse_renode() -> NoReturn:
    """Raise, and say what works instead."""
    raise EnvironmentFailure("Renode is not supported yet: expected --on qemu, --on hardware or --on auto")
