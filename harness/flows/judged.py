"""What a teacher and a student are both judged on: the same items, each through its own front end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnostics.softmax import softmax
from harness.errors import UserError
from harness.flows.feed import own_card
from harness.flows.feed import prepare as prepare_feed
from harness.flows.models import Model
from harness.oracle import Oracle, cached_run, engine_of
from harness.report.progress import Speaker
from harness.tasks import TASKS, Card, ModelInput, load
from harness.tasks.dataset import SHUFFLE_SEED
from harness.tasks.frontend import FrontEnd, quantise
from harness.train.examples import Items

EVERYTHING = 1_000_000_000
_CHUNK = 512
_FLOAT_FLOOR = 1e-9


@dataclass(frozen=True)
class Student:
    """A student's file.

    Attributes:
        model: the file.
        card: beside it, None where there is none.
        frontend: the card's, else the task's, with the quantisation of the model's input.
        classes: in the order of its outputs.
        border: its input.
        elements: of its output.
        step: of its int8 output, 0 for a float one.
        zero_point: likewise.
    """

    model: Model
    card: Card | None
    frontend: FrontEnd
    classes: tuple[str, ...]
    border: ModelInput
    elements: int
    step: float
    zero_point: int


Say = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From a teacher's inputs (n, *shape) to its logits (n, classes)."""


@dataclass(frozen=True)
class Asker:
    """Who asks a teacher: `shape` of its inputs, and `say`, from inputs (n, *shape) to logits (n, classes)."""

    shape: tuple[int, ...]
    say: Say


@dataclass(frozen=True)
class Judged:
    """A set of labelled items, and what the teacher says of them.

    Attributes:
        name: of the set.
        labels: (n,) indices of the teacher's classes.
        names: (n,) where each comes from, () where that is not known.
        logits: the teacher's (n, classes).
        student: returns a student's inputs (n, *shape) in its own type.
    """

    name: str
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    logits: NDArray[np.float32]
    student: Callable[[Student], NDArray[Any]]


def read_student(model: Model, teacher: Card) -> Student:
    """Read a student.

    Raises:
        UserError: it is no model, not the one of its card, or of another task or other classes than its teacher.
    """
    from harness.compiler.tflite import read_model

    card = own_card(model)
    if card is not None and card.task != teacher.task:
        raise UserError(
            f"expected a student of task {teacher.task}, like its teacher, {model.name} is of {card.task}: name another"
        )
    graph = read_model(model.path)
    if len(graph.inputs) != 1 or not graph.outputs:
        raise UserError(f"expected a student with one input and an output, {model.name} has {len(graph.inputs)} inputs")
    given, answer = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    classes = _classes(model, card, teacher, answer.elements)
    frontend, q = card.frontend if card else TASKS[teacher.task].frontend, given.quantization
    if q is not None and card is None:
        frontend = replace(frontend, scale=q.scale, zero_point=q.zero_point)
    border = ModelInput(given.shape, given.dtype, q.scale if q else None, q.zero_point if q else None)
    step = answer.quantization
    return Student(
        model, card, frontend, classes, border, answer.elements,
        step.scale if step else 0.0, step.zero_point if step else 0,
    )  # fmt: skip


def _classes(model: Model, card: Card | None, teacher: Card, outputs: int) -> tuple[str, ...]:
    """Return a student's classes: its card's, else the task's order of the teacher's, else the teacher's order.

    Raises:
        UserError: they are not the teacher's.
    """
    usual = TASKS[teacher.task].labels
    classes = card.labels if card else usual if sorted(usual) == sorted(teacher.labels) else teacher.labels
    if sorted(classes) != sorted(teacher.labels) or outputs != len(classes):
        has = ", ".join(card.labels) if card else f"{outputs} outputs"
        raise UserError(
            f"expected a student of the teacher's classes ({', '.join(teacher.labels)}), {model.name} has {has}"
        )
    return classes


def from_data(data: str, teacher: Card, samples: int | None, asker: Asker) -> Judged:
    """Return the items of a named data set (its test split) or of a folder (all of it).

    Args:
        data: its name.
        teacher: the teacher's card.
        samples: the first so many of a fixed shuffle, None for all.
        asker: asks the teacher.

    Raises:
        UserError: it is not there, has no labels or other classes.
    """
    if data == "random":
        raise UserError("expected data with labels for --data, got 'random': name a data set or a folder")
    many = samples or EVERYTHING
    shown = load(TASKS[teacher.task], data, teacher, ModelInput((1, *asker.shape), "float32"), many)
    assert shown.labels is not None

    def inputs(student: Student) -> NDArray[Any]:
        border, elements = student.border, student.elements
        feed = prepare_feed(student.model, [border], elements, task=teacher.task, data=data, samples=many)
        return feed.inputs[0]

    return Judged(shown.dataset, shown.labels, shown.names, asker.say(shown.inputs), inputs)


def from_items(name: str, items: Items, teacher: Card, samples: int | None, say: Say) -> Judged:
    """Return items of a training material as they are; the other arguments as in `from_data`.

    Raises:
        UserError: they are of other classes.
    """
    if sorted(items.classes) != sorted(teacher.labels):
        raise UserError(
            f"expected data of the teacher's classes ({', '.join(teacher.labels)}), {name} has "
            f"{', '.join(items.classes)}: name another with --data"
        )
    count = len(items.labels)
    chosen = np.arange(count)
    if samples is not None and samples < count:
        chosen = np.random.default_rng(SHUFFLE_SEED).permutation(count)[:samples]
    order = np.array([teacher.labels.index(each) for each in items.classes])
    names = tuple(items.names[index] for index in chosen) if items.names else ()

    def through(frontend: FrontEnd) -> NDArray[np.float32]:
        chunks = (chosen[start : start + _CHUNK] for start in range(0, len(chosen), _CHUNK))
        return np.concatenate([items.inputs(frontend, chunk) for chunk in chunks])

    return Judged(
        name,
        order[items.labels[chosen]],
        names,
        say(through(teacher.frontend)),
        lambda student: as_student_takes(through, student),
    )


def as_student_takes(through: Callable[[FrontEnd], NDArray[np.float32]], student: Student) -> NDArray[Any]:
    """Return what comes through a student's front end in the type of its input.

    Raises:
        UserError: the items do not show what it sees, or its front end gives another size than it takes.
    """
    name, shape = student.model.name, student.border.shape[1:]
    try:
        inputs = through(student.frontend)
    except UserError as error:
        raise UserError(
            f"expected a student whose front end the training pictures can feed, {name} sees something else: judge it "
            f"on recordings or pictures, with --data and without --recipe"
        ) from error
    if int(np.prod(inputs.shape[1:])) != int(np.prod(shape)):
        raise UserError(
            f"expected a student whose card describes its input, {name} takes {shape}, its front end gives "
            f"{inputs.shape[1:]}"
        )
    inputs = inputs.reshape(len(inputs), *shape)
    own = student.frontend
    return inputs if student.border.dtype == "float32" else quantise(inputs, own.scale, own.zero_point, own.rounding)


def probabilities(
    student: Student, inputs: NDArray[Any], classes: tuple[str, ...], speaker: Speaker
) -> NDArray[np.float64]:
    """Run a student as `harness evaluate` does.

    Args:
        student: who speaks.
        inputs: (n, *shape), as it takes them.
        classes: in the order that is wanted.
        speaker: shows how far it is.

    Returns:
        float64 (n, classes), each row sums to 1; of a student without a softmax, the softmax of what it says.
    """
    content = student.model.content
    engine = engine_of(content)
    with Oracle(workers=2) as oracle, speaker.bar(f"{student.model.name} on the host ({engine})", len(inputs)) as done:
        said = cached_run(oracle, content, [inputs], engine=engine, progress=done)[0]
    values = said.reshape(len(said), -1).astype(np.float64)
    if student.step:
        values = (values - student.zero_point) * student.step
    values = values[:, [student.classes.index(each) for each in classes]]
    return _as_probabilities(values)


def floor(student: Student) -> float:
    """Return the least probability that a student can tell from none: half a step of its output."""
    return student.step / 2 or _FLOAT_FLOOR


def _as_probabilities(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if (values < -1e-6).any() or np.abs(values.sum(axis=1) - 1).max() > 0.1:
        return softmax(values)
    return np.asarray(values / values.sum(axis=1, keepdims=True), np.float64)
