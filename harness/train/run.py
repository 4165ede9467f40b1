"""One training run, from a recipe to a .tflite with its model card."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.oracle import Oracle
from harness.tasks import kws, metrics, write_card
from harness.tasks.card import Card
from harness.tasks.frontend import FrontEnd
from harness.tasks.samples import TASKS, ModelInput, load
from harness.train import models, recipe, speech, trainer
from harness.train.compress.quantize import quantize
from harness.train.recipe import Recipe

LICENCE = "Apache-2.0; trained on Speech Commands v0.02 (CC BY 4.0, Pete Warden and the volunteer speakers)"


def train(recipe_file: Path, out: Path, say: Callable[[str], None] = print) -> Path:
    """Train, quantise, measure on the official test clips, and write the .tflite with its card.

    The same call after a kill goes on at the last finished epoch.

    Args:
        recipe_file: a recipe in TOML.
        out: folder for the result, its card, and the checkpoint.
        say: takes one line an epoch, and one for the result.

    Returns:
        The .tflite.

    Raises:
        UserError: the recipe is wrong, `out` holds another recipe's run, or data is missing.
        EnvironmentFailure: the converter failed.
        TrainingDiverged: the loss is not finite.
    """
    plan = recipe.read(recipe_file)
    checkpoint = _claim(out, recipe_file)
    examples, frontend = speech.prepare(plan)
    keras.utils.set_random_seed(plan.seed)
    sizes = dict(plan.student)
    architecture = str(sizes.pop("architecture"))
    model = models.build(architecture, examples.calibration.shape[1:], len(kws.LABELS), **sizes)

    def report(epoch: trainer.Epoch) -> None:
        say(
            f"epoch {epoch.number + 1} of {plan.schedule.epochs}: loss {epoch.loss:.4f}, "
            f"validation {epoch.validation:.2f} %, {epoch.seconds:.1f} s"
        )

    trainer.fit(model, examples, plan.schedule, seed=plan.seed, checkpoint=checkpoint, report=report)
    target = out / f"{plan.name}.tflite"
    quantize(model, examples.calibration, target)
    student = ", ".join([architecture, *(f"{name} {value}" for name, value in sizes.items())])
    card = _card(target, recipe_file, plan, student, frontend)
    write_card(card, target.with_suffix(".toml"))
    say(f"{target}: {card.accuracy:.2f} % of {card.samples} clips, {card.macs} MACs")
    return target


def _claim(out: Path, recipe_file: Path) -> Path:
    """Make `out` the folder of this recipe's run, and return where its checkpoint is."""
    text, kept = recipe_file.read_text(encoding="utf-8"), out / "recipe.toml"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if kept.exists() and kept.read_text(encoding="utf-8") != text:
            raise UserError(f"expected {out} to be empty or of {recipe_file}, it holds another recipe's run")
        kept.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; name another folder with --out") from error
    return out / "checkpoint.npz"


def _card(target: Path, recipe_file: Path, plan: Recipe, student: str, frontend: FrontEnd) -> Card:
    """Measure the int8 file in TensorFlow Lite Micro's arithmetic and describe it."""
    content = target.read_bytes()
    border, macs = _inspect(content)
    frontend = replace(frontend, scale=border.scale or 1.0, zero_point=border.zero_point or 0)
    card = Card(
        task="kws",
        recipe=f"{recipe_file.resolve().parent.name}/{recipe_file.name}",
        teacher="",
        student=student,
        seed=plan.seed,
        labels=kws.LABELS,
        dataset="speech_commands",
        samples=0,
        accuracy=0.0,
        macs=macs,
        sha256=hashlib.sha256(content).hexdigest(),
        licence=LICENCE,
        command=f"harness evaluate {target.stem} --data speech_commands",
        frontend=frontend,
    )
    samples = load(TASKS["kws"], "speech_commands", card, border, plan.export.test_samples or sys.maxsize)
    with Oracle(workers=2) as oracle:
        outputs = oracle.run(content, [samples.inputs])
    assert samples.labels is not None
    accuracy = metrics.top1(metrics.predictions(outputs[0]), samples.labels)
    return replace(card, samples=len(samples.labels), accuracy=round(accuracy, 2))


def _inspect(content: bytes) -> tuple[ModelInput, int]:
    """Return the input of a quantised model, and its multiply-accumulates."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    scale, zero_point = detail["quantization"]
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    macs = sum(_macs(op["op_name"], [shapes[i] for i in op["inputs"] if i in shapes], shapes[op["outputs"][0]])
               for op in interpreter._get_ops_details())  # fmt: skip
    return ModelInput(tuple(detail["shape"]), detail["dtype"].__name__, float(scale), int(zero_point)), int(macs)


def _macs(op: str, inputs: list[NDArray[np.int32]], output: NDArray[np.int32]) -> int:
    """Return the multiply-accumulates of an operator, padding counted."""
    if op in ("CONV_2D", "FULLY_CONNECTED"):
        return int(np.prod(output) * np.prod(inputs[1][1:]))
    if op == "DEPTHWISE_CONV_2D":
        return int(np.prod(output) * np.prod(inputs[1][1:3]))
    return 0
