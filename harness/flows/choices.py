"""What an option may be: checked in one place, whether the command line or a Python program names it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, cast, get_args

from harness.errors import UserError
from harness.nearest import did_you_mean

if TYPE_CHECKING:  # the compiler takes a while to load
    from harness.compiler import Objective

Where = Literal["auto", "qemu", "hardware", "renode"]
WHERES: tuple[Where, ...] = get_args(Where)
OBJECTIVES: "tuple[Objective, ...]" = ("balanced", "latency", "ram", "flash")
CORES = ("m0plus", "m3", "m4f", "m7", "m33", "m55")


def where(name: str) -> Where:
    """Return the place that `--on` names.

    Raises:
        UserError: none is called so.
    """
    return cast(Where, _one_of("--on", name, WHERES))


def objective(name: str) -> "Objective":
    """Return what `--optimise` names.

    Raises:
        UserError: nothing is called so.
    """
    return cast("Objective", _one_of("--optimise", name, OBJECTIVES))


def core(name: str) -> str:
    """Return the core that `--core` names.

    Raises:
        UserError: none is called so.
    """
    if name not in CORES:
        known = f"expected one of {', '.join(CORES)}, or none for portable C"
        raise UserError(f"unknown core {name!r}: {known}{did_you_mean(str(name), CORES)}")
    return name


def count(option: str, number: int) -> int:
    """Return a whole number from 1.

    Raises:
        UserError: it is another number, or none.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise UserError(f"expected {option} with a whole number from 1, got {number!r}")
    return number


def _one_of(option: str, name: str, known: Iterable[str]) -> str:
    names = [*known]
    if name not in names:
        listed = ", ".join(map(repr, names))
        raise UserError(f"expected {option} to be one of {listed}, got {name!r}{did_you_mean(str(name), names)}")
    return name
