"""A table of TOML as a frozen dataclass: names it does not have and values of another type are refused."""

from collections.abc import Callable
from dataclasses import fields
from math import isfinite
from typing import Any, TypeVar

from harness.errors import UserError
from harness.nearest import did_you_mean

Section = TypeVar("Section")
Span = tuple[float, float]
"""A value at the first and at the last step of a run; linear between."""
Layers = tuple[str | int, ...]
"""Layers of a model by name, or by number (-1 is the last); as texts once they are read."""


def section(kind: type[Section], table: Any, where: str) -> Section:
    """Build a dataclass from a table.

    Args:
        kind: the dataclass.
        table: what TOML gave.
        where: for messages, such as "[schedule] of r.toml".

    Raises:
        UserError: it is no table, has a name that `kind` has not, lacks one, or a value is of another type.
    """
    if not isinstance(table, dict):
        raise UserError(f"expected a table in {where}, got {table!r}")
    known = {each.name: each.type for each in fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            near = did_you_mean(name, known)
            raise UserError(f"expected one of {', '.join(known)} in {where}, got '{name}'{near}")
    try:
        return kind(**{name: _value(known[name], value, f"'{name}' in {where}") for name, value in table.items()})
    except TypeError as error:
        raise UserError(f"expected 'name' and 'task' in {where}: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    """Return a value as a field's type has it."""
    if kind is int and not (isinstance(value, int) and not isinstance(value, bool)):
        raise UserError(f"expected a whole number for {where}, got {value!r}")
    if kind is float and not _number(value):
        raise UserError(f"expected a number for {where}, got {value!r}")
    if kind is str and not isinstance(value, str):
        raise UserError(f"expected a text for {where}, got {value!r}")
    if kind == dict[str, Any] and not isinstance(value, dict):
        raise UserError(f"expected a table for {where}, got {value!r}")
    if kind is Span:
        return _span(value, where)
    if kind in _TUPLES:
        return _tuple(kind, value, where)
    return value


def _tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    """Return a list's values, or a single one, as a tuple; layers by name and by number are both names."""
    what, good = _TUPLES[kind]
    values = value if isinstance(value, list) else [value]
    if not all(map(good, values)):
        raise UserError(f"expected a list of {what} for {where}, got {value!r}")
    return tuple(str(each) for each in values) if kind == Layers else tuple(values)


def _span(value: Any, where: str) -> Span:
    """Return (first, last) of one number or of a list of two."""
    pair = [value, value] if _number(value) else value
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(_number, pair)):
        raise UserError(f"expected a number, or two in a list (first and last), for {where}, got {value!r}")
    return float(pair[0]), float(pair[1])


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _layer(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


_TUPLES: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    tuple[str, ...]: ("texts", _text),
    tuple[float, ...]: ("numbers", _number),
    Layers: ("names or numbers of layers", _layer),
}
