"""A recipe: one TOML file that names everything a training run depends on.

like = "other.toml"         # lies in the same folder (or a path from there); what this one says wins over it
name = "kws_s"              # file stem of what comes out
task = "kws"                # or vision: harness/train/materials.py
seed = 0
data = "speech_commands"    # the task's own, or a folder of yours with one folder of recordings or pictures a class
unlabelled = ""             # a folder to learn from instead, without labels; or as `data`: its items, labels unused
start = "kws_resnet"        # a teacher of the zoo or a .keras file of the same architecture whose weights to go on from
[student]                   # architecture and its sizes: harness/train/models/
[frontend]                  # where it differs from the task's own: `prepare` in harness/train/speech.py, vision.py
[schedule]                  # `Schedule` below
[augmentation]              # the task's file in harness/train/augment/
[distill]                   # `Distill` below; without it the student learns from hard labels alone
[distill.hint]              # and so on: what a method is told, in its own file in harness/train/distill/
[export]                    # `Export` below
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.train.augment.settings import Augmentation
from harness.train.materials import MATERIALS
from harness.train.sections import Span, section


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
        cycles: so many times the rate runs its course; what is exported is then the mean of the averages at the end of
            each, and of the model named by `start`. 0: it runs it once, and there is nothing to take a mean of.
        statistics: of batch normalisation: "moving" averages over all views; or taken anew, over the last of the
            "views", which a mean of cycles needs, or over training "items" as they are (of pictures that are JPEG
            copies over the lossless ones beside them).
        label_smoothing: probability spread over all classes.
        examples: use at most so many training examples, 0 for all (for quick runs).
    """

    epochs: int = 40
    batch: int = 128
    learning_rate: float = 6e-3
    warmup: float = 0.05
    weight_decay: float = 0.02
    ema: float = 0.998
    cycles: int = 0
    statistics: str = "moving"
    label_smoothing: float = 0.05
    examples: int = 0

    @property
    def cycle(self) -> int:
        """Return the number of epochs of one course of the rate."""
        return self.epochs // max(1, self.cycles)


@dataclass(frozen=True)
class Distill:
    """What a student learns from its teachers.

    The loss is alpha * (terms of response methods) + (1 - alpha) * (hard labels) + (terms of the other methods), each
    term times the weight of its method.

    Attributes:
        method: "none" (hard labels alone), or methods of harness/train/distill/methods.py joined by "+".
        teachers: stems in the zoo or paths of .keras files, each with its card beside it; several are averaged.
        temperature: of the softmax, above 0: one number, or two, from the first to the last step linearly.
        alpha: share of the response methods, 0 to 1: likewise. Of items without labels it is 1.
        features_first: so many first epochs learn from the other methods alone (FitNets' first stage).
        generations: so many runs before this one, the first from hard labels, each the teacher of the next (Furlanello
            et al., "Born-Again Neural Networks", arXiv:1805.04770); the recipe then names no teacher.
        methods: the sections [distill.NAME], what each method is told; they are read when the method is chosen.
    """

    method: str = "none"
    teachers: tuple[str, ...] = ()
    temperature: Span = (4.0, 4.0)
    alpha: Span = (0.9, 0.9)
    features_first: int = 0
    generations: int = 0
    methods: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """What is made of the trained model, and how it is measured.

    Attributes:
        kind: "int8" for a student of boards: a .tflite file; "float" for a teacher, "host" for a student that no board
            runs (harness/train/models/ says which): a .keras file, measured as the float model that it is.
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
    unlabelled: str = ""
    start: str = ""
    seed: int = 0
    student: dict[str, Any] = field(default_factory=lambda: {"architecture": "dscnn"})
    frontend: dict[str, Any] = field(default_factory=dict)
    schedule: Schedule = Schedule()
    augmentation: Augmentation = field(default_factory=Augmentation)
    distill: Distill = Distill()
    export: Export = Export()

    @property
    def private(self) -> bool:
        """Tell whether the training items are those of a folder without labels, which nothing is to leave."""
        return bool(self.unlabelled) and Path(self.unlabelled).resolve() != Path(self.data).resolve()


def read(path: Path, changes: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the TOML file.
        changes: "section.name=value" each, value as in TOML or a bare word; they win over the file.
        seed: wins over the file's.

    Raises:
        UserError: the file is missing or no TOML, a name in it is unknown, or a number is out of its range.
    """
    table = _table(path)
    for change in changes:
        _apply(change, table)
    if seed is not None:
        table["seed"] = seed
    task = table.get("task", "")
    if "task" in table and task not in list(MATERIALS):
        raise UserError(f"expected {' or '.join(MATERIALS)} for task of {path}, got {task!r}")
    _gather_methods(table)
    if table.get("unlabelled") and isinstance(table.setdefault("distill", {}), dict):
        table["distill"].setdefault("alpha", 1.0)
    for name, kind in sections(task).items():
        table[name] = section(kind, table.get(name, {}), f"[{name}] of {path}")
    recipe = section(Recipe, table, str(path))
    if not recipe.data:
        recipe = replace(recipe, data=MATERIALS[task].data)
    _check(recipe, path)
    return recipe


def _table(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return a recipe's table laid over that of the recipe it is like.

    Raises:
        UserError: a file is missing or no TOML, or recipes are like each other.
    """
    if path.resolve() in below:
        raise UserError(f"expected a recipe that stands for itself at {path}, it is like itself")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"expected a recipe in TOML at {path}, got: {error}") from error
    other = table.pop("like", "")
    if not isinstance(other, str):
        raise UserError(f"expected a text for 'like' in {path}, got {other!r}")
    return _over(_table(path.parent / other, (*below, path.resolve())), table) if other else table


def _over(table: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Return a table with the values of another in the place of its own, section by section; an architecture's whole.

    The sizes of one architecture mean nothing to another.
    """
    laid = dict(table)
    for name, value in upper.items():
        own = laid.get(name)
        both = isinstance(own, dict) and isinstance(value, dict) and "architecture" not in value
        laid[name] = _over(own, value) if both and own is not None else value
    return laid


def sections(task: str) -> dict[str, Any]:
    """Return the dataclass of each section of a recipe for a task."""
    how = MATERIALS[task].augmentation if task in MATERIALS else Augmentation
    return {"schedule": Schedule, "augmentation": how, "distill": Distill, "export": Export}


def _gather_methods(table: dict[str, Any]) -> None:
    """Move the sections [distill.NAME] into the field `methods`."""
    distill = table.get("distill")
    if isinstance(distill, dict):
        own = {each.name for each in fields(Distill)} - {"methods"}
        told = {name: value for name, value in distill.items() if isinstance(value, dict) and name not in own}
        table["distill"] = {"methods": told} | {name: distill[name] for name in distill if name not in told}


def _apply(change: str, table: dict[str, Any]) -> None:
    """Put "section.name=value" into a recipe's table."""
    where, equals, text = change.partition("=")
    *above, name = where.strip().split(".")
    if not equals or not name:
        raise UserError(f"expected --set section.name=value, got '{change}'")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for each in above:
        table = table.setdefault(each, {})
        if not isinstance(table, dict):
            raise UserError(f"expected --set section.name=value, got '{change}': '{each}' is no section")
    table[name] = value


def _check(recipe: Recipe, path: Path) -> None:
    """Refuse what would only fail after minutes of training."""
    schedule, how, distill, export = recipe.schedule, recipe.augmentation, recipe.distill, recipe.export
    own = MATERIALS[recipe.task].data
    for name, value, good, range_ in (
        ("name", recipe.name, re.fullmatch(r"[A-Za-z0-9_-]+", recipe.name), "letters, digits, _ and -"),
        ("seed", recipe.seed, 0 <= recipe.seed < 2**32, "0 to 4294967295"),
        ("student.architecture", recipe.student, isinstance(recipe.student.get("architecture"), str), "a name"),
        ("data", recipe.data, recipe.data == own or Path(recipe.data).is_dir(), f"{own} or a folder"),
        ("unlabelled", recipe.unlabelled, not recipe.private or Path(recipe.unlabelled).is_dir(),
         f"a folder, or {recipe.data},"),
        ("schedule.epochs", schedule.epochs, schedule.epochs >= 1, "1 or more"),
        ("schedule.batch", schedule.batch, schedule.batch >= 2, "2 or more"),
        ("schedule.learning_rate", schedule.learning_rate, schedule.learning_rate > 0, "above 0"),
        ("schedule.warmup", schedule.warmup, 0 <= schedule.warmup < 1, "0 to below 1"),
        ("schedule.weight_decay", schedule.weight_decay, schedule.weight_decay >= 0, "0 or more"),
        ("schedule.ema", schedule.ema, 0 <= schedule.ema < 1, "0 to below 1"),
        ("schedule.cycles", schedule.cycles, schedule.cycles >= 0 and schedule.epochs % max(1, schedule.cycles) == 0,
         "0, or so many that schedule.epochs is a multiple of them,"),
        ("schedule.statistics", schedule.statistics, schedule.statistics in ("moving", "views", "items"),
         "moving, views or items"),
        ("schedule.label_smoothing", schedule.label_smoothing, 0 <= schedule.label_smoothing < 1, "0 to below 1"),
        ("schedule.examples", schedule.examples, schedule.examples >= 0, "0 (all) or more"),
        *((f"augmentation.{name}", getattr(how, name), *limits) for name, limits in how.ranges().items()),
        ("distill.temperature", distill.temperature, min(distill.temperature) > 0, "above 0"),
        ("distill.alpha", distill.alpha, min(distill.alpha) >= 0 and max(distill.alpha) <= 1, "0 to 1"),
        ("distill.features_first", distill.features_first, 0 <= distill.features_first < schedule.epochs,
         "0 to below epochs"),
        ("distill.generations", distill.generations, distill.generations >= 0, "0 or more"),
        ("export.kind", export.kind, export.kind in ("int8", "float", "host"), "int8, float or host"),
        ("export.calibration", export.calibration, export.calibration >= 1, "1 or more"),
        ("export.test_samples", export.test_samples, export.test_samples >= 0, "0 (all) or more"),
    ):  # fmt: skip
        if not good:
            raise UserError(f"expected {range_} for {name} of {path}, got {value!r}")
    if recipe.unlabelled and distill.alpha != (1.0, 1.0):
        got = f"{distill.alpha[0]:g} to {distill.alpha[1]:g}"
        raise UserError(f"expected 1 for distill.alpha of {path}, as unlabelled items have nothing else, got {got}")
