"""`harness inspect-teacher`: how well a teacher is calibrated, how soft its targets are, what it finds alike."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import __version__
from harness.diagnostics.findings import examine
from harness.errors import EnvironmentFailure, UserError
from harness.flows.judged import (
    Asker,
    Judged,
    Student,
    as_student_takes,
    floor,
    from_data,
    from_items,
    probabilities,
    read_student,
)
from harness.flows.models import find_model
from harness.report.inspection.document import Inspection, Shown
from harness.report.progress import Speaker
from harness.tasks import Card
from harness.train import recipe as recipes
from harness.train.materials import MATERIALS
from harness.train.recipe import Recipe

DOCUMENT = "inspection.json"
"""Of a folder that this command wrote, and may write again."""
_BATCH = 256


def inspect_teacher(
    name: str,
    *,
    student: str | None = None,
    recipe: Path | None = None,
    data: str | None = None,
    samples: int | None = None,
    out: Path | None = None,
    command: str = "",
    speaker: Speaker,
) -> tuple[Inspection, Path]:
    """Show a teacher the validation set, and what a recipe trains on; examine what it says.

    Args:
        name: stem of a teacher in the zoo, or path of a .keras file with its card beside it.
        student: a .tflite file or a student of the zoo to hold beside it.
        recipe: whose first view of the training set the teacher is shown, too, and whose temperature counts.
        data: judge on this data set (its test split) or folder instead of the validation set.
        samples: at most so many items of each set, None for all.
        out: the folder to write, None for inspected/NAME.
        command: that asked for it.
        speaker: says what is done.

    Returns:
        What was found, and the folder with the document, the page, the plots and the disagreements.

    Raises:
        UserError: teacher, student, recipe or data is wrong, or `out` holds something else.
        EnvironmentFailure: the training extras are not installed.
    """
    plan = None if recipe is None else recipes.read(recipe)
    if plan is not None and plan.unlabelled:
        raise UserError(f"expected a recipe with labels to judge the teacher by, {recipe} takes none: leave it out")
    load_teacher, find_teacher, logits = _training()
    path, card = find_teacher(name)
    out = out or Path("inspected") / path.stem
    _check_folder(out)
    beside = None if student is None else read_student(find_model(student), card)
    if plan is not None and plan.task != card.task:
        raise UserError(f"expected a recipe of task {card.task}, like the teacher, {recipe} is of {plan.task}")
    teacher = load_teacher(name, card.labels)
    judged = [_judged(data, plan, card, samples, _asker(teacher, logits, speaker), speaker)]
    if plan is not None:
        judged.append(_first_view(plan, teacher, card, samples, speaker))
    temperature = (plan.distill if plan else recipes.Distill()).temperature[0]
    found = Inspection(
        teacher=teacher.name,
        teacher_sha256=teacher.sha256,
        task=card.task,
        classes=card.labels,
        sets=tuple(_examined(each, card, beside, temperature, speaker) for each in judged),
        student=beside.model.name if beside else None,
        student_sha256=beside.model.sha256 if beside else None,
        command=command,
        version=__version__,
    )
    _write(found, out, speaker)
    return found, out


def _training() -> tuple[Any, Any, Any]:
    """Return the functions that read, find and run a teacher; TensorFlow takes seconds to import."""
    try:
        from harness.train.distill.teacher import find_teacher, load_teacher
        from harness.train.trainer import logits
    except ImportError as error:
        raise EnvironmentFailure(f"{error}; a teacher needs: pip install 'tinyml-harness[train]'") from error
    return load_teacher, find_teacher, logits


def _asker(teacher: Any, logits: Any, speaker: Speaker) -> Asker:
    """Return who asks a teacher, in batches, and shows how far it is."""
    shape = tuple(teacher.model.inputs[0].shape[1:])

    def say(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        if inputs.shape[1:] != shape:
            raise UserError(f"expected a teacher that takes inputs of {inputs.shape[1:]}, {teacher.name} takes {shape}")
        parts = []
        with speaker.bar(f"{teacher.name} on the host", len(inputs)) as advance:
            for start in range(0, len(inputs), _BATCH):
                parts.append(logits(teacher.model, inputs[start : start + _BATCH]))
                advance(len(parts[-1]))
        return np.concatenate(parts)

    return Asker(shape, say)


def _judged(
    data: str | None, plan: Recipe | None, card: Card, samples: int | None, asker: Asker, speaker: Speaker
) -> Judged:
    """Return what is named by --data, else the validation set of the recipe, else that of the teacher."""
    if data is not None:
        return from_data(data, card, samples, asker)
    plan = plan or _own_plan(card, asker.shape)
    items = MATERIALS[card.task].validation(plan)
    for note in items.notes:
        speaker.say(note)
    return from_items(f"{_called(plan)} (validation)", items, card, samples, asker.say)


def _own_plan(card: Card, shape: tuple[int, ...]) -> Recipe:
    """Return a recipe of the data that a teacher was trained on.

    Raises:
        UserError: it is not there.
    """
    material = MATERIALS[card.task]
    if card.dataset != material.data and not Path(card.dataset).is_dir():
        raise UserError(
            f"expected the data of the teacher, {material.data} or a folder, at {card.dataset!r}: name it with --data"
        )
    frontend = {"shape": list(shape)} if card.frontend.kind == "picture" else {}
    return Recipe("own", card.task, card.dataset, augmentation=material.augmentation(), frontend=frontend)


def _called(plan: Recipe) -> str:
    return plan.data if plan.data == MATERIALS[plan.task].data else Path(plan.data).resolve().name


def _first_view(plan: Recipe, teacher: Any, card: Card, samples: int | None, speaker: Speaker) -> Judged:
    """Return the first view of a recipe's training set; what the teacher says of it is kept, for the training too.

    Raises:
        UserError: its classes are not the teacher's, in its order.
    """
    from harness.train.distill.teacher import answers_of_views

    if samples is not None:
        most = min(samples, plan.schedule.examples or samples)
        plan = replace(plan, schedule=replace(plan.schedule, examples=most))
    examples, _ = MATERIALS[plan.task].prepare(plan, None)
    if examples.classes != card.labels:
        raise UserError(
            f"expected a recipe of the teacher's classes, in its order: {', '.join(card.labels)}; {plan.name} has "
            f"{', '.join(examples.classes)}"
        )
    answers, _ = answers_of_views(teacher, (), examples, plan.augmentation.view, speaker.say)

    def inputs(student: Student) -> NDArray[Any]:
        return as_student_takes(lambda frontend: examples.through(frontend)(0).inputs, student)

    return Judged(f"{plan.name} (training, view 0)", examples.labels, examples.names, answers(0).logits, inputs)


def _examined(judged: Judged, card: Card, student: Student | None, temperature: float, speaker: Speaker) -> Shown:
    if student is None:
        return Shown(judged.name, examine(judged.logits, judged.labels, temperature), judged.names)
    beside = probabilities(student, judged.student(student), card.labels, speaker)
    found = examine(judged.logits, judged.labels, temperature, beside, floor(student))
    return Shown(judged.name, found, judged.names)


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds what this command did not write.

    Raises:
        UserError: it does, or is no folder.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"expected a folder for --out, {out} is a file: name another")
    if out.is_dir() and any(out.iterdir()) and not (out / DOCUMENT).is_file():
        raise UserError(f"expected {out} to be empty or to hold an older inspection, it holds something else")


def _write(found: Inspection, out: Path, speaker: Speaker) -> None:
    """Write the folder, whole or not at all; an older one is replaced."""
    from harness.report.inspection.files import files

    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        with speaker.steps_bar("drawing plots") as advance:
            _fill(partial, files(found), advance)
        if out.exists():
            out.rename(old)
        partial.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _fill(folder: Path, content: dict[str, str | bytes], advance: Callable[[int, int], None]) -> None:
    for number, (name, each) in enumerate(content.items(), start=1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.encode("utf-8", "backslashreplace") if isinstance(each, str) else each)
        advance(number, len(content))
