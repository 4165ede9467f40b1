"""A recipe: one TOML file that names everything a training run depends on.

name = "kws_s"              # file stem of what comes out
task = "kws"                # or vision: harness/train/materials.py
seed = 0
data = "speech_commands"    # the task's own, or a folder of yours with one folder of recordings or pictures a class
start = "kws_resnet"        # a teacher of the zoo or a .keras file of the same architecture whose weights to go on from
[student]                   # architecture and its sizes: harness/train/models/
[frontend]                  # where it differs from the task's own: `prepare` in harness/train/speech.py, vision.py
[schedule]                  # `Schedule` below
[augmentation]              # the task's file in harness/train/augment/
[distill]                   # `Distill` below; without it the student learns from hard labels alone
[export]                    # `Export` below
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import UserError
from harness.nearest import did_you_mean
from harness.train.augment.settings import Augmentation
from harness.train.materials import MATERIALS

Section = TypeVar("Section")
Span = tuple[float, float]
"""A value at the first and at the last step of a run; linear between."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        epochs: passes over the training set, each over freshly augmented views.
        batch: examples a step.
        learning_rate: highest, reached after the warm-up; then a cosine down to zero.
        warmup: share of all steps in which the rate rises from zero.
        weight_decay: of AdamW; biases and normalisation are exempt.
        ema: decay of the running average of the weights; the average is what is exported.
        label_smoothing: probability spread over all classes.
        examples: use at most so many training examples, 0 for all (for quick runs).
    """

    epochs: int = 40
    batch: int = 128
    learning_rate: float = 6e-3
    warmup: float = 0.05
    weight_decay: float = 0.02
    ema: float = 0.998
    label_smoothing: float = 0.05
    examples: int = 0


@dataclass(frozen=True)
class Distill:
    """What a student learns from its teachers.

    The loss is alpha * (terms of response methods) + (1 - alpha) * (hard labels) + weight * (terms of hints).

    Attributes:
        method: "none" (hard labels alone), or methods of harness/train/distill/ joined by "+", such as "soft+hint".
        teachers: stems in the zoo or paths of .keras files, each with its card beside it; several are averaged.
        temperature: of the softmax, above 0: one number, or two, from the first to the last step linearly.
        alpha: share of the teacher's word, 0 to 1: likewise.
        hint_student: layer of the student that is to resemble `hint_teacher`.
        hint_teacher: layer of the teacher.
        hint_weight: of the hint's term, above 0.
        hint_epochs: so many first epochs learn from the hint alone (FitNets' first stage).
    """

    method: str = "none"
    teachers: tuple[str, ...] = ()
    temperature: Span = (4.0, 4.0)
    alpha: Span = (0.9, 0.9)
    hint_student: str = ""
    hint_teacher: str = ""
    hint_weight: float = 1.0
    hint_epochs: int = 0


@dataclass(frozen=True)
class Export:
    """How the .tflite is made and measured.

    Attributes:
        kind: "int8" for a student, "float" for a teacher: a .keras file.
        board: a student is measured on this board's emulated twin, "" for none; the figures go into its card.
        calibration: so many training examples set the ranges of the activations.
        test_samples: measure on so many of the test set, 0 for all (for quick runs; the card says how many).
    """

    kind: str = "int8"
    board: str = "nano33"
    calibration: int = 1_000
    test_samples: int = 0


@dataclass(frozen=True)
class Recipe:
    """A training run; see the text of this module. `read` fills in the task's own data where none is named."""

    name: str
    task: str
    data: str = ""
    start: str = ""
    seed: int = 0
    student: dict[str, Any] = field(default_factory=lambda: {"architecture": "dscnn"})
    frontend: dict[str, Any] = field(default_factory=dict)
    schedule: Schedule = Schedule()
    augmentation: Augmentation = field(default_factory=Augmentation)
    distill: Distill = Distill()
    export: Export = Export()


def read(path: Path, changes: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the TOML file.
        changes: "section.name=value" each, value as in TOML or a bare word; they win over the file.
        seed: wins over the file's.

    Raises:
        UserError: the file is missing or no TOML, a name in it is unknown, or a number is out of its range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"expected a recipe in TOML at {path}, got: {error}") from error
    for change in changes:
        _apply(change, table)
    if seed is not None:
        table["seed"] = seed
    task = table.get("task", "")
    if "task" in table and task not in list(MATERIALS):
        raise UserError(f"expected {' or '.join(MATERIALS)} for task of {path}, got {task!r}")
    for name, kind in sections(task).items():
        table[name] = _section(kind, table.get(name, {}), f"[{name}] of {path}")
    recipe = _section(Recipe, table, str(path))
    if not recipe.data:
        recipe = replace(recipe, data=MATERIALS[task].data)
    _check(recipe, path)
    return recipe


def sections(task: str) -> dict[str, Any]:
    """Return the dataclass of each section of a recipe for a task."""
    how = MATERIALS[task].augmentation if task in MATERIALS else Augmentation
    return {"schedule": Schedule, "augmentation": how, "distill": Distill, "export": Export}


def _apply(change: str, table: dict[str, Any]) -> None:
    """Put "section.name=value" into a recipe's table."""
    where, equals, text = change.partition("=")
    *sections, name = where.strip().split(".")
    if not equals or not name:
        raise UserError(f"expected --set section.name=value, got '{change}'")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UserError(f"expected --set section.name=value, got '{change}': '{section}' is no section")
    table[name] = value


def _section(kind: type[Section], table: Any, where: str) -> Section:
    """Build a dataclass from a table, refusing names it does not have and values of another type."""
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
    if kind == tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError(f"expected a list of texts for {where}, got {value!r}")
        return tuple(words)
    return value


def _span(value: Any, where: str) -> Span:
    """Return (first, last) of one number or of a list of two."""
    pair = [value, value] if _number(value) else value
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(_number, pair)):
        raise UserError(f"expected a number, or two in a list (first and last), for {where}, got {value!r}")
    return float(pair[0]), float(pair[1])


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _check(recipe: Recipe, path: Path) -> None:
    """Refuse what would only fail after minutes of training."""
    schedule, how, distill, export = recipe.schedule, recipe.augmentation, recipe.distill, recipe.export
    own = MATERIALS[recipe.task].data
    for name, value, good, range_ in (
        ("name", recipe.name, re.fullmatch(r"[A-Za-z0-9_-]+", recipe.name), "letters, digits, _ and -"),
        ("seed", recipe.seed, 0 <= recipe.seed < 2**32, "0 to 4294967295"),
        ("student.architecture", recipe.student, isinstance(recipe.student.get("architecture"), str), "a name"),
        ("data", recipe.data, recipe.data == own or Path(recipe.data).is_dir(), f"{own} or a folder"),
        ("schedule.epochs", schedule.epochs, schedule.epochs >= 1, "1 or more"),
        ("schedule.batch", schedule.batch, schedule.batch >= 2, "2 or more"),
        ("schedule.learning_rate", schedule.learning_rate, schedule.learning_rate > 0, "above 0"),
        ("schedule.warmup", schedule.warmup, 0 <= schedule.warmup < 1, "0 to below 1"),
        ("schedule.weight_decay", schedule.weight_decay, schedule.weight_decay >= 0, "0 or more"),
        ("schedule.ema", schedule.ema, 0 <= schedule.ema < 1, "0 to below 1"),
        ("schedule.label_smoothing", schedule.label_smoothing, 0 <= schedule.label_smoothing < 1, "0 to below 1"),
        ("schedule.examples", schedule.examples, schedule.examples >= 0, "0 (all) or more"),
        *((f"augmentation.{name}", getattr(how, name), *limits) for name, limits in how.ranges().items()),
        ("distill.temperature", distill.temperature, min(distill.temperature) > 0, "above 0"),
        ("distill.alpha", distill.alpha, min(distill.alpha) >= 0 and max(distill.alpha) <= 1, "0 to 1"),
        ("distill.hint_weight", distill.hint_weight, distill.hint_weight > 0, "above 0"),
        ("distill.hint_epochs", distill.hint_epochs, 0 <= distill.hint_epochs < schedule.epochs, "0 to below epochs"),
        ("distill.teachers", distill.teachers, bool(distill.teachers) == (distill.method != "none"),
         "at least one teacher, or method none without any"),
        ("export.kind", export.kind, export.kind in ("int8", "float"), "int8 or float"),
        ("export.calibration", export.calibration, export.calibration >= 1, "1 or more"),
        ("export.test_samples", export.test_samples, export.test_samples >= 0, "0 (all) or more"),
    ):  # fmt: skip
        if not good:
            raise UserError(f"expected {range_} for {name} of {path}, got {value!r}")
