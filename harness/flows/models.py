"""Find the model that a user names: a file, or a student of the zoo."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import resources
from harness.errors import UserError
from harness.nearest import nearest


@dataclass(frozen=True)
class Model:
    """A .tflite file (of a teacher, a .keras file) and its bytes, read once."""

    path: Path
    content: bytes

    @property
    def name(self) -> str:
        """The file's stem, which rows call `model`."""
        return self.path.stem

    @property
    def sha256(self) -> str:
        """The 64 hex digits of the file."""
        return hashlib.sha256(self.content).hexdigest()


def zoo_names() -> list[str]:
    """Return the stems of the zoo's students."""
    return sorted(path.stem for path in resources.zoo().glob("*.tflite"))


def find_model(name: str) -> Model:
    """Return the model called `name`: the stem of a student or teacher of the zoo, or else a path.

    Raises:
        UserError: neither; the nearest zoo student is named.
    """
    teacher = resources.zoo() / "teachers" / f"{name}.keras"
    path = resources.zoo() / f"{name}.tflite" if name in zoo_names() else teacher if teacher.exists() else Path(name)
    try:
        return Model(path, path.read_bytes())
    except (OSError, ValueError) as error:
        near = nearest(name, zoo_names())
        known = f"did you mean {near!r}?" if near else f"the zoo has {', '.join(zoo_names()) or 'none'}"
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"expected a .tflite file or a student of the zoo, got {name!r}: {reason}; {known}") from error


def find_models(names: Sequence[str]) -> list[Model]:
    """Return the models called `names`, a file that is named twice once.

    Raises:
        UserError: there is none, one is missing, or two that differ have one name (their rows could not be told apart).
    """
    found: dict[str, Model] = {}
    for model in map(find_model, names):
        twin = found.setdefault(model.name, model)
        if twin.content != model.content:
            raise UserError(f"expected one model of each name, got {twin.path} and {model.path}: rename one")
    if not found:
        raise UserError("expected a model: the zoo is empty, name a .tflite file")
    return list(found.values())
