"""One training run, from a recipe to a model with its card."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from harness import resources
from harness.errors import UserError
from harness.tasks import Card, read_card, write_card
from harness.tasks.card import Unlabelled
from harness.tasks.frontend import FrontEnd
from harness.train import measure, models, recipe, stored, trainer
from harness.train.compress.convert import SCRATCH, convert
from harness.train.distill.method import Answers, Method, Shapes
from harness.train.distill.methods import check_without_labels, choose
from harness.train.distill.objective import Distilled
from harness.train.distill.teacher import Bar, Teacher, answers_of_views, find_teacher, load_teacher, no_bar
from harness.train.examples import Floats, TrainingSet
from harness.train.logs import Logs
from harness.train.materials import MATERIALS
from harness.train.models.quick import plain
from harness.train.objective import HardLabels, Objective
from harness.train.recipe import Recipe
from harness.train.run_folder import CHECKPOINT, RECIPE, RESULT, is_of, read_json, save_predictions, save_text

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a run made.

    Attributes:
        model: the .tflite of a student, the .keras of a teacher or of a student of the host; its card lies beside it.
        card: what is known of it.
        board: that the recipe wants a student to be measured on, "" for none.
    """

    model: Path
    card: Card
    board: str = ""


def distill(
    recipe_file: Path,
    out: Path | None = None,
    *,
    changes: Sequence[str] = (),
    seed: int | None = None,
    say: Say = print,
    advance: Callable[[int, int], None] = lambda done, steps: None,
    bar: Bar = no_bar,
) -> Result:
    """Train a student (or a teacher), export it, measure it on the official test set, and write its card.

    The same call after a kill goes on at the last finished epoch and ends with the same weights; of a run that is whole
    it returns the result.

    Args:
        recipe_file: a recipe in TOML; harness/train/recipe.py says what it holds.
        out: folder for the model, its card, checkpoint and logs; `trained/NAME` where not given.
        changes: "section.name=value" each; they win over the file.
        seed: wins over the file's.
        say: takes one line an epoch, and one for the result.
        advance: takes the number of training steps done and that of the whole run, after each.
        bar: shows how far a teacher is with the examples.

    Returns:
        The model and its card.

    Raises:
        UserError: the recipe is wrong, `out` holds another recipe's run, a teacher does not fit, or data is missing.
        EnvironmentFailure: the converter failed.
        TrainingDiverged: a term of the loss is not finite.

    Example:
        >>> from harness.train.distill import distill
        >>> distill(Path("recipes/kws_quick.toml"), Path("quick"), changes=["distill.temperature=2"])
    """
    plan = asked = recipe.read(recipe_file, changes, seed)
    methods = choose(plan.distill)
    if plan.unlabelled:
        check_without_labels(methods, plan.distill)
    spent = 0.0
    out = out or Path("trained") / plan.name
    if plan.distill.generations:
        before = _generation_before(plan, recipe_file, out, changes, say, advance, bar)
        spent = float(read_json(before.model.parent / RESULT)["train_seconds"])
        plan = replace(plan, distill=replace(plan.distill, teachers=(str(before.model),), generations=0))
    trained = {name: find_teacher(name)[1] for name in (*plan.distill.teachers, plan.start) if name}
    architecture = str(plan.student["architecture"])
    models.find(architecture)  # all before the data is read, which takes a minute
    models.check_export(architecture, plan.export.kind)
    out = _claim(out, asked, {name: card.sha256 for name, card in trained.items()})
    finished = _finished(out, plan)
    if finished:
        say(f"{finished.model}: finished before; remove {out} to train it again")
        return finished
    examples, frontend = MATERIALS[plan.task].prepare(plan, trained[plan.start].frontend if plan.start else None)
    for note in examples.notes:
        say(note)
    _check_items(out, examples.fingerprint, plan)
    teachers = [load_teacher(name, examples.classes) for name in plan.distill.teachers]
    keras.utils.set_random_seed(plan.seed)
    sizes = {name: value for name, value in plan.student.items() if name != "architecture"}
    model = models.build(architecture, examples.calibration.shape[1:], len(examples.classes), **sizes)
    if plan.start:
        _go_on_from(load_teacher(plan.start, examples.classes), model)
    layers = [layer for method in methods.values() for layer in method.teacher_layers]
    private = out / "teachers" if plan.private else None
    said, theirs = _said(teachers, layers, examples, plan, say, bar, private)
    objective = _objective(model, methods, examples, plan, said, theirs)
    logs = Logs(out)

    def report(epoch: trainer.Epoch) -> None:
        logs.epoch(epoch)
        say(_line(epoch))

    trainer.fit(
        model, examples, objective, plan.schedule,
        seed=plan.seed, checkpoint=out / CHECKPOINT, trained_before=bool(plan.start), report=report, advance=advance,
    )  # fmt: skip
    student = ", ".join([architecture, *(f"{name} {value}" for name, value in sizes.items())])
    card = _card(recipe_file, changes, plan, student, frontend, teachers, examples)
    result = _export(plain(model), examples.calibration, out, plan, card)
    if private:
        shutil.rmtree(private, ignore_errors=True)  # what teachers said of each item: no epoch needs it any more
    _note(result, plan, logs, spent, len(examples.labels), out)
    card = result.card
    where = ", float, on the host alone" if plan.export.kind == "host" else ""
    say(f"{result.model}: {card.accuracy:.2f} % of {card.samples} of {card.dataset}, {card.macs:,} MACs{where}")
    return result


def _finished(out: Path, plan: Recipe) -> Result | None:
    """Return what the run made where it is whole: its last file is there, and the model is the one of its card.

    A teacher that was written again would have another hash, and whoever learnt from it another teacher.
    """
    model = _published(out, plan)
    if not (out / RESULT).exists() or not model.exists():
        return None
    card = read_card(model)
    if card is None or card.sha256 != hashlib.sha256(model.read_bytes()).hexdigest():
        return None
    return Result(model, card, _board(plan))


def _published(out: Path, plan: Recipe) -> Path:
    """Return the path of a run's model: what boards run as .tflite, else as .keras."""
    return out / f"{plan.name}{'.tflite' if plan.export.kind == 'int8' else '.keras'}"


def _board(plan: Recipe) -> str:
    return plan.export.board if plan.export.kind == "int8" else ""


def _generation_before(
    plan: Recipe,
    recipe_file: Path,
    out: Path,
    changes: Sequence[str],
    say: Say,
    advance: Callable[[int, int], None],
    bar: Bar,
) -> Result:
    """Train the generation that teaches this one, and those before it, each in a folder within its student's.

    It begins from other weights (the next seed), the first from hard labels alone.
    """
    left = plan.distill.generations - 1
    say(f"generation {left + 1} of {plan.name}" + ("" if left else ", from hard labels alone"))
    alone = () if left else ("distill.method=none", "distill.features_first=0")
    more = ("export.kind=float", f"name={plan.name}_before", f"distill.generations={left}", *alone)
    seed = (plan.seed + 1) % 2**32
    return distill(recipe_file, out / "before", changes=[*changes, *more], seed=seed, say=say, advance=advance, bar=bar)


def _go_on_from(trained: Teacher, model: keras.Model) -> None:
    """Give a model the weights of another of the same architecture.

    Raises:
        UserError: its weights have other shapes.
    """
    theirs, ours = ([tuple(weight.shape) for weight in each.weights] for each in (trained.model, model))
    if theirs != ours:
        raise UserError(f"expected for start a model of the recipe's architecture and sizes, {trained.name} has others")
    model.set_weights(trained.model.get_weights())


def _objective(
    model: keras.Model,
    methods: dict[str, Method],
    examples: TrainingSet,
    plan: Recipe,
    said: Callable[[int], Answers],
    theirs: Shapes,
) -> Objective:
    """Return what the model is to minimise: hard labels where there are some, and what the methods add."""
    if plan.unlabelled:
        return Distilled(model, None, methods, plan.distill, plan.schedule.epochs, said, theirs)
    hard = HardLabels(model, examples.labels, len(examples.classes), plan.schedule.label_smoothing)
    if not methods:
        return hard
    return Distilled(model, hard, methods, plan.distill, plan.schedule.epochs, said, theirs)


def _said(
    teachers: list[Teacher],
    layers: list[str],
    examples: TrainingSet,
    plan: Recipe,
    say: Say,
    bar: Bar,
    where: Path | None,
) -> tuple[Callable[[int], Answers], Shapes]:
    """Return the function from an epoch to what all teachers say, and the shapes of the only one's layers' outputs."""
    view = plan.augmentation.view
    each = [answers_of_views(teacher, layers, examples, view, say, bar, where) for teacher in teachers]
    nobody = np.zeros((len(examples.labels), 0, len(examples.classes)), np.float32)

    def said(epoch: int) -> Answers:
        if not each:
            return Answers(nobody, {})
        answers = [answer(epoch) for answer, _ in each]
        return Answers(np.stack([one.logits for one in answers], axis=1), answers[0].features)

    return said, each[0][1] if each else {}


def _claim(out: Path, plan: Recipe, trained: dict[str, str]) -> Path:
    """Make `out` the folder of this run: of this recipe with these changes, and these trained models (name, sha256).

    Where nothing is finished yet, such as after a mistake in a recipe, another recipe may have the folder.
    """
    kept = out / RECIPE
    try:
        out.mkdir(parents=True, exist_ok=True)
        record = read_json(kept) if kept.exists() and (out / CHECKPOINT).exists() else {}
        if (out / CHECKPOINT).exists() and not (is_of(record, plan) and record.get("sha256") == trained):
            raise UserError(f"expected {out} to be empty or of the same recipe and teachers, it holds another run")
        begun = {"fingerprint": record["fingerprint"]} if "fingerprint" in record else {}
        _save_record(out, dataclasses.asdict(plan) | {"sha256": trained} | begun)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; name another folder with --out") from error
    return out


def _check_items(out: Path, fingerprint: str, plan: Recipe) -> None:
    """Note what a run learns from; one that goes on has to learn from the same.

    Raises:
        UserError: the training items are not those that the run began with.
    """
    record = read_json(out / RECIPE)
    if record.get("fingerprint", fingerprint) != fingerprint:
        raise UserError(
            f"expected the training items that the run in {out} began with, those of {plan.unlabelled or plan.data} "
            "are others now, or changed by other code; put the old ones back, or name another folder with --out"
        )
    _save_record(out, record | {"fingerprint": fingerprint})


def _save_record(out: Path, record: dict[str, object]) -> None:
    save_text(out / RECIPE, json.dumps(record, indent=1) + "\n")


def _line(epoch: trainer.Epoch) -> str:
    """Return what is said of an epoch."""
    terms = ", ".join(f"{name} {value:.4f}" for name, value in epoch.terms.items())
    left = f", {_duration(epoch.left)} left" if epoch.left else ""
    return (
        f"epoch {epoch.number + 1} of {epoch.epochs}: loss {epoch.loss:.4f} ({terms}), "
        f"validation {epoch.validation:.2f} %, {epoch.seconds:.1f} s{left}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _card(
    recipe_file: Path,
    changes: Sequence[str],
    plan: Recipe,
    student: str,
    frontend: FrontEnd,
    teachers: list[Teacher],
    examples: TrainingSet,
) -> Card:
    """Return what is known before the model is measured; of a private folder not where it lies."""
    material = MATERIALS[plan.task]
    named = plan.data == material.data
    told = [_without_folder(change) if plan.private else change for change in changes]
    return Card(
        task=plan.task,
        recipe=" ".join([_recipe_name(recipe_file), *(f"--set {change}" for change in told)]),
        teacher=", ".join(teacher.name for teacher in teachers),
        student=student,
        seed=plan.seed,
        labels=examples.classes,
        dataset=plan.data,
        samples=0,
        accuracy=0.0,
        macs=0,
        sha256="",
        licence=material.licence if named and not plan.private else "of whoever made the data",
        command=" ".join(
            [
                f"harness evaluate {_published(Path(), plan).name} --data {plan.data}",
                *([] if named else ["--split test"]),
                *([f"--samples {plan.export.test_samples}"] if plan.export.test_samples else []),
            ]
        ),
        frontend=frontend,
        unlabelled=Unlabelled(len(examples.labels), examples.digest) if plan.unlabelled else None,
    )


def _recipe_name(recipe: Path) -> str:
    """Return `recipes/...` of a recipe that comes with the harness, else the file and its folder."""
    own, recipe = resources.recipes().resolve(), recipe.resolve()
    if recipe.is_relative_to(own):
        return f"recipes/{recipe.relative_to(own).as_posix()}"
    return f"{recipe.parent.name}/{recipe.name}"


def _without_folder(change: str) -> str:
    """Return what `--set` was told, without the path of a private folder."""
    name = change.partition("=")[0].strip()
    return "unlabelled=DIR" if name == "unlabelled" else change


def _export(model: keras.Model, calibration: Floats, out: Path, plan: Recipe, card: Card) -> Result:
    """Write the model and its card: an int8 .tflite, or a .keras file (measured as a float .tflite)."""
    published = converted = _published(out, plan)
    for left in out.glob(f"{SCRATCH}*"):  # by a kill: it may hold what a private folder held
        shutil.rmtree(left)
    if plan.export.kind == "int8":
        convert(model, converted, calibration)
    else:
        converted = out / "float.tflite"
        stored.save(model, published)
        convert(model, converted)
    measured = measure.describe(converted.read_bytes(), published, card, plan.data, plan.export.test_samples)
    card = measured.card
    write_card(card, published.with_suffix(".toml"))
    save_predictions(out, measured.predicted, measured.labels)
    return Result(published, card, _board(plan))


def _note(result: Result, plan: Recipe, logs: Logs, spent: float, count: int, out: Path) -> None:
    """Write `result.json`: the run as a line of results/distillation/methods.csv, and its validation accuracy.

    `spent`: seconds that the generations before it took, which are part of what it costs.
    """
    line = {
        "task": plan.task,
        "student": plan.name,
        "teacher": result.card.teacher,
        "method": plan.distill.method,
        "seed": plan.seed,
        "epochs": plan.schedule.epochs,
        "dataset": result.card.dataset,
        "n": count,
        "accuracy": result.card.accuracy,
        "train_seconds": round(spent + logs.seconds(), 1),
    }
    last = logs.lines()[-1]
    more = {
        "validation": float(last["validation"]),
        "samples": result.card.samples,
        "macs": result.card.macs,
        "export": plan.export.kind,
        "board": result.board,
    }
    save_text(out / RESULT, json.dumps(line | more, indent=1) + "\n")
