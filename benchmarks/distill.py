"""What an epoch of distillation costs: against hard labels alone, against a teacher that is run again, against Keras.

    python -m benchmarks.distill [RECIPE.toml] [--teacher NAME] [--examples 4096] [--epochs 3] [--rounds 2]

Four ways to train the recipe's student, one after another in each round, so that a busy computer is busy for all:
`plain` hard labels alone; `cached` this project's distillation (soft targets, the teacher's logits kept on disk);
`recomputed` the same with the teacher run in every step; `keras` keras.distillation.Distiller with KLDivergence. The
last two need a teacher with the student's own front end. Printed are seconds an epoch (the least of all but the first,
which compiles), ratios to `plain`, and whole runs with the teacher's passes included.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness.errors import HarnessError

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "kws_s.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", type=Path, default=RECIPE)
    parser.add_argument("--teacher", default="kws_resnet_small")
    parser.add_argument("--examples", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args(arguments)
    try:
        print(measure(chosen.recipe, chosen.teacher, chosen.examples, chosen.epochs, chosen.rounds))
    except HarnessError as error:
        print(f"benchmarks.distill: error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def measure(recipe_file: Path, teacher: str, examples: int, epochs: int, rounds: int) -> str:
    """Return the table."""
    from harness.train import recipe
    from harness.train.distill.teacher import load_teacher
    from harness.train.materials import MATERIALS

    changes = [f"schedule.examples={examples}", "distill.method=soft", f"distill.teachers=['{teacher}']"]
    plan = recipe.read(recipe_file, changes)
    plan = replace(plan, schedule=replace(plan.schedule, epochs=max(2, epochs)))
    data, frontend = MATERIALS[plan.task].prepare(plan, None)
    taught = load_teacher(teacher, data.classes)
    if (taught.frontend.kind, taught.frontend.hop_ms) == (frontend.kind, frontend.hop_ms):
        data = replace(data, view=data.through(taught.frontend))  # every way gets the very same inputs
        ways = {"plain": _plain, "cached": _cached, "recomputed": _recomputed, "keras": _keras}
    else:
        ways = {"plain": _plain, "cached": _cached}
    seconds = {name: float("inf") for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name] = min(seconds[name], *way(plan, data, taught)[1:])
    return _table(seconds, _pass(plan, data, taught), plan.augmentation.views, recipe.read(recipe_file).schedule.epochs)


def _plain(plan: Any, data: Any, taught: Any) -> list[float]:
    """Return the seconds of each epoch with hard labels alone."""
    return _fit(plan, data, lambda student, hard: hard)


def _cached(plan: Any, data: Any, taught: Any) -> list[float]:
    """Return the seconds of each epoch with logits from disk; they are put there before the clock runs."""
    from harness.train.distill.method import Answers
    from harness.train.distill.methods import choose
    from harness.train.distill.objective import Distilled
    from harness.train.distill.teacher import answers_of_views

    answers, _ = answers_of_views(taught, [], data, plan.augmentation.view, lambda line: None)
    for epoch in range(plan.schedule.epochs):
        answers(epoch)
    return _fit(
        plan,
        data,
        lambda student, hard: Distilled(
            student,
            hard,
            choose(plan.distill),
            plan.distill,
            plan.schedule.epochs,
            lambda epoch: Answers(answers(epoch).logits[:, None], {}),
        ),
    )


def _recomputed(plan: Any, data: Any, taught: Any) -> list[float]:
    """Return the seconds of each epoch with the teacher run in every step, on the student's own inputs."""
    from harness.train.distill.method import Answers
    from harness.train.distill.methods import choose
    from harness.train.distill.objective import Distilled

    class Running(Distilled):
        def columns(self, epoch: int) -> tuple[Any, ...]:
            return ()

        def terms(self, inputs: Any, targets: Any, columns: tuple[Any, ...], done: Any) -> Any:
            said = taught.model(inputs, training=False)[:, None]
            return super().terms(inputs, targets, (said,), done)

    return _fit(
        plan,
        data,
        lambda student, hard: Running(
            student,
            hard,
            choose(plan.distill),
            plan.distill,
            plan.schedule.epochs,
            lambda epoch: Answers(data.labels, {}),
        ),
    )


def _fit(plan: Any, data: Any, objective: Callable[[Any, Any], Any]) -> list[float]:
    """Train a new student and return the seconds of each epoch."""
    from harness.train.objective import HardLabels
    from harness.train.trainer import fit

    student = _student(plan, data)
    hard = HardLabels(student, data.labels, len(data.classes), plan.schedule.label_smoothing)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        fit(
            student,
            data,
            objective(student, hard),
            plan.schedule,
            seed=plan.seed,
            checkpoint=Path(folder, "checkpoint.npz"),
            report=lambda epoch: seconds.append(epoch.seconds),
        )
    return seconds


def _keras(plan: Any, data: Any, taught: Any) -> list[float]:
    """Return the seconds of each epoch with keras.distillation, views and validation included as in `fit`."""
    import keras
    import tensorflow as tf

    distiller = keras.distillation.Distiller(
        teacher=taught.model,
        student=_student(plan, data),
        distillation_losses=keras.distillation.LogitsDistillation(
            temperature=plan.distill.temperature[0], loss=keras.losses.KLDivergence()
        ),
        student_loss_weight=1 - plan.distill.alpha[0],
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    distiller.compile(optimizer=keras.optimizers.AdamW(plan.schedule.learning_rate), loss=loss, jit_compile=False)
    seconds = []
    for epoch in range(plan.schedule.epochs):
        start = time.monotonic()
        view = data.view(epoch)
        inputs = tf.data.Dataset.from_tensor_slices((view.inputs, view.targets)).shuffle(len(data.labels))
        distiller.fit(inputs.batch(plan.schedule.batch), verbose=0)
        distiller.student.predict(data.validation_inputs, batch_size=512, verbose=0)
        seconds.append(time.monotonic() - start)
    return seconds


def _student(plan: Any, data: Any) -> Any:
    import keras

    from harness.train import models

    keras.utils.set_random_seed(plan.seed)
    sizes = dict(plan.student)
    architecture = sizes.pop("architecture")
    return models.build(architecture, data.calibration.shape[1:], len(data.classes), **sizes)


def _pass(plan: Any, data: Any, taught: Any) -> float:
    """Return the seconds of the teacher's pass over a view: made for its front end, heard, and kept on disk."""
    from harness.train import trainer
    from harness.train.distill.teacher import answers_of_views, no_bar

    trainer.logits(taught.model, data.through(taught.frontend)(0).inputs[:512])  # the first call compiles
    with tempfile.TemporaryDirectory() as folder:
        answers, _ = answers_of_views(taught, [], data, plan.augmentation.view, lambda line: None, no_bar, Path(folder))
        start = time.monotonic()
        answers(0)
        return time.monotonic() - start


def _table(seconds: dict[str, float], teacher_pass: float, views: int, epochs: int) -> str:
    """Return the table: an epoch, its ratio, and a whole run with what the teacher costs."""
    passes = {"cached": min(views or epochs, epochs) * teacher_pass}
    whole = {name: epochs * each + passes.get(name, 0.0) for name, each in seconds.items()}
    lines = [
        (
            name,
            f"{each:.2f}",
            f"{each / seconds['plain']:.2f}",
            f"{whole[name]:.0f}",
            f"{whole[name] / whole['plain']:.2f}",
        )
        for name, each in seconds.items()
    ]
    heads = ("way", "s an epoch", "to plain", f"s in {epochs} epochs, teacher included", "to plain")
    note = f"one pass of the teacher over a view: {teacher_pass:.2f} s; {views or epochs} views"
    return f"{tabulate(lines, heads)}\n{note}"


if __name__ == "__main__":
    sys.exit(main())
