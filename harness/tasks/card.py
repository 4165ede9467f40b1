"""A model card: the TOML file beside a zoo student that says what it is and how to feed it."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from harness import resources
from harness.errors import UserError
from harness.tasks.frontend import FrontEnd

Section = TypeVar("Section", bound=Any)


@dataclass(frozen=True)
class Measured:
    """What a student takes on a board: columns of its row, and the command that measures them again.

    A card has it only where the board's outputs were the oracle's, bit for bit.

    Attributes:
        board: its name.
        where: qemu, hardware or renode.
        optimise: balanced, latency, ram or flash.
        instructions: of one inference; 0 where only cycles are known.
        cycles: of one inference.
        flash_weights_bytes: as contracts say.
        flash_total_bytes: likewise.
        ram_total_bytes: likewise.
        command: measures them again.
    """

    board: str
    where: str
    optimise: str
    instructions: int
    cycles: int
    flash_weights_bytes: int
    flash_total_bytes: int
    ram_total_bytes: int
    command: str


@dataclass(frozen=True)
class Unlabelled:
    """What a student learned from where that had no labels: neither where it lay nor what its files were called.

    Attributes:
        items: how many.
        sha256: of their contents, as they were learned from.
    """

    items: int
    sha256: str


@dataclass(frozen=True)
class Card:
    """What is known about a trained student.

    Attributes:
        task: kws or vision.
        recipe: the file it was trained by.
        teacher: stem of its teacher, "" for none.
        student: its architecture in words.
        seed: of the training run.
        labels: its classes, in the order of its outputs.
        dataset: what `accuracy` was measured on, with the int8 file in TensorFlow Lite Micro's arithmetic.
        samples: how many items that were.
        accuracy: percent.
        macs: multiply-accumulates of one inference.
        sha256: of the .tflite file.
        licence: of the weights.
        command: reproduces the accuracy.
        frontend: from raw sound or pictures to the input.
        measured: what it takes on a board, None where it was not measured.
        unlabelled: what it learned from where that had no labels, else None.
    """

    task: str
    recipe: str
    teacher: str
    student: str
    seed: int
    labels: tuple[str, ...]
    dataset: str
    samples: int
    accuracy: float
    macs: int
    sha256: str
    licence: str
    command: str
    frontend: FrontEnd
    measured: Measured | None = None
    unlabelled: Unlabelled | None = None


_OPTIONAL: dict[str, type[Any]] = {"measured": Measured, "unlabelled": Unlabelled}
"""Sections that a card may lack."""


def read_card(model: Path) -> Card | None:
    """Return the card beside a .tflite file, None where there is none.

    Raises:
        UserError: it is no TOML, or a field is missing, unknown or of another type.
    """
    path = model.with_suffix(".toml")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"expected a model card in TOML at {path}, got: {error}") from error
    sections: dict[str, Any] = {"frontend": _section(FrontEnd, table.pop("frontend", None), path)}
    for name, kind in _OPTIONAL.items():
        if name in table:
            sections[name] = _section(kind, table.pop(name), path)
    return _section(Card, table | sections, path)


def write_card(card: Card, path: Path) -> None:
    """Write a card as TOML."""
    table = dataclasses.asdict(card)
    sections = {name: table.pop(name) for name in (*_OPTIONAL, "frontend")}
    lines = [f"{name} = {_toml(value)}" for name, value in table.items()]
    for section, values in sections.items():
        if values is not None:
            lines += ["", f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def zoo_models() -> dict[str, Path]:
    """Return the zoo's students, by stem."""
    return {path.stem: path for path in sorted(resources.zoo().glob("*.tflite"))}


def _section(kind: type[Section], table: Any, path: Path) -> Section:
    """Build a dataclass from a table whose names and types are its own.

    Raises:
        UserError: a name is missing or unknown, or a value is of another type or not one of the allowed.
    """
    if not isinstance(table, dict):
        raise UserError(f"expected a model card with a table for {kind.__name__} at {path}, got {table!r}")
    types = get_type_hints(kind)
    for name, value in table.items():
        if name not in types:
            raise UserError(f"expected a model card at {path} without {name!r}; it may have {', '.join(types)}")
        if not _fits(value, types[name]):
            raise UserError(f"expected a model card at {path}, got {name} = {value!r}; remove or mend it")
    try:
        built: Section = kind(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
        )
        return built
    except TypeError as error:
        raise UserError(f"expected a model card at {path} with every field, got: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a TOML value is of a field's type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_fits(item, get_args(hint)[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(hint, type):  # Measured | None: built already
        return isinstance(value, get_args(hint))
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
