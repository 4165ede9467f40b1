"""A teacher: a .keras file with its card, and what it says of the views that a student sees."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from harness import resources
from harness.errors import UserError
from harness.tasks import Card, read_card
from harness.tasks.frontend import FrontEnd
from harness.train.distill import kept
from harness.train.distill.method import Answers, Shapes
from harness.train.distill.objective import with_layers
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


def answers_of_views(
    teacher: Teacher,
    layers: Sequence[str],
    examples: TrainingSet,
    view_number: Callable[[int], int],
    say: Callable[[str], None],
    bar: Bar = no_bar,
    where: Path | None = None,
) -> tuple[Callable[[int], Answers], Shapes]:
    """Return the function from an epoch to what a teacher says of its view, and the shapes of the layers' outputs.

    What it says is logits (n, classes), and the outputs (n, *shape) of layers in half precision, which stay on disk
    until they are read. Both are computed once for each view and kept, keyed by teacher, front end, data and
    augmentation; of what all teachers said, the least used goes when it becomes too much (`kept.AT_MOST`).

    Args:
        teacher: who speaks.
        layers: names or numbers of its layers.
        examples: what it is shown, through its own front end.
        view_number: of an epoch.
        say: takes a line for each view that is computed.
        bar: shows how far a view is.
        where: folder for what is kept, None for the cache that all runs share.

    Raises:
        UserError: it has no such layer; where a view is computed, it takes inputs of another shape.
    """
    view = examples.through(teacher.frontend)
    key = hashlib.sha256(f"{teacher.sha256} {teacher.frontend} {examples.fingerprint}".encode()).hexdigest()
    folder = (where or resources.cache() / "teachers") / f"{teacher.name}-{key[:24]}"
    speaker, shapes = with_layers(teacher.model, layers)

    def answers(epoch: int) -> Answers:
        number = view_number(epoch)
        paths = {layer: folder / f"view{number}{_suffix(layer)}.npy" for layer in ("", *layers)}
        if not all(path.exists() for path in paths.values()):
            inputs = view(epoch).inputs
            _check_shape(teacher, inputs.shape[1:])
            with bar(f"teacher {teacher.name}, view {number}") as advance:
                kept.write(paths, len(inputs), _precision, _speak(speaker, inputs, advance))
            kept.trim(folder.parent)
            say(f"teacher {teacher.name}: view {number} computed once, kept in {folder}")
        said = {layer: kept.read(path, mapped=bool(layer)) for layer, path in paths.items()}
        return Answers(said.pop(""), said)

    return answers, shapes


def _precision(layer: str) -> type[Any]:
    """Return the type that logits or a layer's outputs are kept in."""
    return np.float16 if layer else np.float32


def _suffix(layer: str) -> str:
    """Return what a layer's name is in a file's name."""
    return f"-{re.sub(r'[^A-Za-z0-9_-]', '_', layer)}" if layer else ""


def _check_shape(teacher: Teacher, shown: tuple[int, ...]) -> None:
    """Refuse a teacher of items of another size.

    Raises:
        UserError: it takes another shape than the views have.
    """
    takes = tuple(teacher.model.inputs[0].shape[1:])
    if takes != tuple(shown):
        raise UserError(f"expected a teacher that takes inputs of {tuple(shown)}, {teacher.name} takes {takes}")


def _speak(speaker: keras.Model, inputs: Floats, advance: Advance, batch: int = 512) -> Iterator[dict[str, Any]]:
    """Return what a model says of the inputs, a batch at a time: the logits, called "", and the layers' outputs."""
    for start in range(0, len(inputs), batch):
        logits, features = speaker(inputs[start : start + batch], training=False)
        yield {"": logits, **features}
        advance(min(start + batch, len(inputs)), len(inputs))
