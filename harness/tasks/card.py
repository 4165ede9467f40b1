"""A model card: the TOML file beside a zoo student that says what it is and how to feed it."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import resources
from harness.errors import UserError
from harness.tasks.frontend import FrontEnd


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


def read_card(model: Path) -> Card | None:
    """Return the card beside a .tflite file, None where there is none.

    Raises:
        UserError: it is no TOML, or a field is missing, unknown or of another type.
    """
    path = model.with_suffix(".toml")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read the model card {path}: {error.strerror}") from error
    try:
        table = tomllib.loads(text)
        frontend = FrontEnd(**_tuples(table.pop("frontend")))
        return Card(**_tuples(table), frontend=frontend)
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise UserError(f"expected a model card in TOML at {path}, got: {error}") from error


def write_card(card: Card, path: Path) -> None:
    """Write a card as TOML."""
    table = dataclasses.asdict(card)
    frontend = table.pop("frontend")
    lines = [f"{name} = {_toml(value)}" for name, value in table.items()]
    lines += ["", "[frontend]", *(f"{name} = {_toml(value)}" for name, value in frontend.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def zoo_models() -> dict[str, Path]:
    """Return the zoo's students, by stem."""
    return {path.stem: path for path in sorted(resources.zoo().glob("*.tflite"))}


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
