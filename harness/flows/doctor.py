"""`harness doctor`: what is installed, what is missing, and what mends it."""

from collections.abc import Iterable

from harness.device.doctor import Check, checks
from harness.errors import EnvironmentFailure


def examine() -> list[Check]:
    """Look at everything; nothing is changed."""
    return checks()


def require(found: Iterable[Check]) -> None:
    """Refuse a computer on which nothing can be measured.

    Raises:
        EnvironmentFailure: something that is needed is missing; names it.
    """
    missing = [check.name for check in found if check.needed and not check.ok]
    if missing:
        raise EnvironmentFailure(f"missing or broken: {', '.join(missing)}; harness setup mends what it can")
