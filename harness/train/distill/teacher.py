"""A teacher: a .keras file with its card, and what it says of the views that a student sees."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from harness import resources
from harness.errors import UserError
from harness.tasks import Card, read_card
from harness.tasks.frontend import FrontEnd
from harness.train import trainer
from harness.train.examples import Floats, TrainingSet

Advance = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Advance]]
"""Shows how far something is: takes what, yields what takes the steps done and all of them."""


@contextmanager
def no_bar(what: str) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda done, steps: None


@dataclass(frozen=True)
class Teacher:
    """A trained model.

    Attributes:
        name: stem of its file.
        sha256: of its file.
        model: from its inputs to logits, never trained again.
        frontend: of its inputs.
    """

    name: str
    sha256: str
    model: keras.Model
    frontend: FrontEnd


def find_teacher(name: str) -> tuple[Path, Card]:
    """Return a teacher's file and its card.

    Args:
        name: stem of a teacher in the zoo, or path of a .keras file with its card beside it.

    Raises:
        UserError: there is no such file or card, or they do not go together.
    """
    path = path_of_teachers() / f"{name}.keras"
    path = path if path.exists() else Path(name)
    if path.suffix != ".keras" or not path.is_file():
        known = ", ".join(sorted(each.stem for each in path_of_teachers().glob("*.keras"))) or "none"
        raise UserError(f"expected a teacher of the zoo ({known}) or a .keras file, got '{name}'")
    card = read_card(path)
    if card is None:
        raise UserError(f"expected a model card beside the teacher, found none at {path.with_suffix('.toml')}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != card.sha256:
        raise UserError(
            f"expected at {path} the file that its card describes, got another or a damaged one: fetch both"
        )
    return path, card


def load_teacher(name: str, classes: tuple[str, ...]) -> Teacher:
    """Read a teacher.

    Args:
        name: as `find_teacher` takes it.
        classes: of the student, in the order of its outputs.

    Raises:
        UserError: it is not found, it is no model, or it tells other classes apart.
    """
    path, card = find_teacher(name)
    if card.labels != classes:
        raise UserError(
            f"expected a teacher of the student's classes, in its order: {', '.join(classes)}; "
            f"{path.name} has {', '.join(card.labels)}"
        )
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # there are as many as ways to write a wrong file
        words = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"expected a Keras model at {path}, got: {words}") from error
    model.trainable = False
    return Teacher(path.stem, card.sha256, model, card.frontend)


def path_of_teachers() -> Path:
    """Return the zoo's folder of teachers."""
    return resources.zoo() / "teachers"


def logits_of_views(
    teacher: Teacher,
    examples: TrainingSet,
    view_number: Callable[[int], int],
    say: Callable[[str], None],
    bar: Bar = no_bar,
) -> Callable[[int], Floats]:
    """Return the function from an epoch to the teacher's logits (n, classes) of the view that epoch sees.

    They are computed once for each view and kept on disk, keyed by teacher, front end, data and augmentation.
    """
    view = examples.through(teacher.frontend)
    key = hashlib.sha256(f"{teacher.sha256} {teacher.frontend} {examples.fingerprint}".encode()).hexdigest()
    folder = resources.cache() / "teachers" / f"{teacher.name}-{key[:24]}"

    def logits(epoch: int) -> Floats:
        number = view_number(epoch)
        path = folder / f"view{number}.npy"
        if not path.exists():
            inputs = view(epoch).inputs
            _check_shape(teacher, inputs.shape[1:])
            with bar(f"teacher {teacher.name}, view {number}") as advance:
                said = trainer.logits(teacher.model, inputs, advance=advance)
            say(f"teacher {teacher.name}: view {number} computed once, kept in {folder}")
            _keep(said, path)
        return np.asarray(np.load(path), np.float32)

    return logits


def _check_shape(teacher: Teacher, shown: tuple[int, ...]) -> None:
    """Refuse a teacher of items of another size.

    Raises:
        UserError: it takes another shape than the views have.
    """
    takes = tuple(teacher.model.inputs[0].shape[1:])
    if takes != tuple(shown):
        raise UserError(f"expected a teacher that takes inputs of {tuple(shown)}, {teacher.name} takes {takes}")


def _keep(said: Floats, path: Path) -> None:
    """Write in one piece: a kill leaves nothing or all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished.npy")
    np.save(unfinished, said)
    unfinished.replace(path)
