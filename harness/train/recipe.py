"""A recipe: one TOML file that names everything a training run depends on.

name = "kws_dscnn_s"        # file stem of what comes out
task = "kws"
seed = 0
[student]                   # architecture and its sizes: harness/train/models/
[frontend]                  # where it differs from the training pictures' own: harness/tasks/frontend.py
[schedule]                  # `Schedule` below
[augmentation]              # harness/train/augment.py
[export]                    # `Export` below
"""

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import UserError
from harness.train.augment import Augmentation

Section = TypeVar("Section")


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
class Export:
    """How the .tflite is made and measured.

    Attributes:
        calibration: so many training examples set the ranges of the activations.
        test_samples: measure on so many of the test set, 0 for all (for quick runs; the card says how many).
    """

    calibration: int = 1_000
    test_samples: int = 0


@dataclass(frozen=True)
class Recipe:
    """A training run; see the text of this module."""

    name: str
    task: str
    seed: int = 0
    student: dict[str, Any] = field(default_factory=lambda: {"architecture": "dscnn"})
    frontend: dict[str, Any] = field(default_factory=dict)
    schedule: Schedule = Schedule()
    augmentation: Augmentation = field(default_factory=Augmentation)
    export: Export = Export()


def read(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        UserError: the file is missing or no TOML, a name in it is unknown, or a number is out of its range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"expected a recipe in TOML at {path}, got: {error}") from error
    for name, kind in (("schedule", Schedule), ("augmentation", Augmentation), ("export", Export)):
        table[name] = _section(kind, table.get(name, {}), f"[{name}] of {path}")
    recipe = _section(Recipe, table, str(path))
    _check(recipe, path)
    return recipe


def _section(kind: type[Section], table: Any, where: str) -> Section:
    """Build a dataclass from a table, refusing names it does not have and values of another type."""
    if not isinstance(table, dict):
        raise UserError(f"expected a table in {where}, got {table!r}")
    known = {each.name: each.type for each in fields(kind)}  # type: ignore[arg-type]
    for name, value in table.items():
        if name not in known:
            raise UserError(f"expected one of {', '.join(known)} in {where}, got '{name}'")
        number = known[name] in (int, float)
        if number and (isinstance(value, bool) or not isinstance(value, int if known[name] is int else (int, float))):
            raise UserError(f"expected a number for '{name}' in {where}, got {value!r}")
    try:
        return kind(**table)
    except TypeError as error:
        raise UserError(f"expected 'name' and 'task' in {where}: {error}") from error


def _check(recipe: Recipe, path: Path) -> None:
    """Refuse what would only fail after minutes of training."""
    schedule = recipe.schedule
    named = isinstance(recipe.name, str) and re.fullmatch(r"[A-Za-z0-9_-]+", recipe.name) is not None
    for name, value, good in (
        ("name", recipe.name, named),
        ("seed", recipe.seed, recipe.seed >= 0),
        ("student.architecture", recipe.student, isinstance(recipe.student.get("architecture"), str)),
        ("task", recipe.task, recipe.task == "kws"),
        ("epochs", schedule.epochs, schedule.epochs >= 1),
        ("batch", schedule.batch, schedule.batch >= 2),
        ("learning_rate", schedule.learning_rate, schedule.learning_rate > 0),
        ("warmup", schedule.warmup, 0 <= schedule.warmup < 1),
        ("ema", schedule.ema, 0 <= schedule.ema < 1),
        ("label_smoothing", schedule.label_smoothing, 0 <= schedule.label_smoothing < 1),
        ("examples", schedule.examples, schedule.examples >= 0),
        ("calibration", recipe.export.calibration, recipe.export.calibration >= 1),
        ("test_samples", recipe.export.test_samples, recipe.export.test_samples >= 0),
    ):
        if not good:
            raise UserError(f"'{name}' of {path} is out of its range: {value!r}")
