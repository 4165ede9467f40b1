"""Trains a student from a recipe: `python -m harness.train recipes/kws_dscnn_s.toml --out DIR`.

Needs the training extras and HARNESS_DATA. Writes DIR/<name>.tflite with its model card; run again after a kill, it
goes on at the last finished epoch.
"""

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from harness.errors import HarnessError
from harness.tasks import kws, metrics, write_card
from harness.tasks.card import Card
from harness.tasks.frontend import FrontEnd
from harness.tasks.samples import TASKS, ModelInput, load

LICENCE = "Apache-2.0; trained on Speech Commands v0.02 (CC BY 4.0, Pete Warden and the volunteer speakers)"


def train(recipe_file: Path, out: Path) -> Path:
    """Train, quantise, measure on the official test clips, and write the .tflite with its card.

    Args:
        recipe_file: a recipe in TOML.
        out: folder for the result and the checkpoint.

    Returns:
        The .tflite.

    Raises:
        UserError: the recipe is wrong, or data is missing.
        TrainingDiverged: the loss is not finite.
    """
    import keras

    from harness.train import models, recipe, speech, trainer
    from harness.train.compress.quantize import quantize

    plan = recipe.read(recipe_file)
    out.mkdir(parents=True, exist_ok=True)
    examples, frontend = speech.prepare(plan)
    keras.utils.set_random_seed(plan.seed)
    sizes = dict(plan.student)
    architecture = str(sizes.pop("architecture"))
    model = models.build(architecture, examples.calibration.shape[1:], len(kws.LABELS), **sizes)
    checkpoint = out / "checkpoint.npz"
    trainer.fit(model, examples, plan.schedule, seed=plan.seed, checkpoint=checkpoint, report=_say)
    target = out / f"{plan.name}.tflite"
    quantize(model, examples.calibration, target)
    card = _card(target, recipe_file, plan.seed, f"{architecture} {sizes}", frontend)
    write_card(card, target.with_suffix(".toml"))
    print(f"{target}: {card.accuracy:.2f} % of {card.samples} clips, {card.macs} MACs", file=sys.stderr)
    return target


def _say(epoch: object) -> None:
    print(epoch, file=sys.stderr, flush=True)


def _card(target: Path, recipe_file: Path, seed: int, student: str, frontend: FrontEnd) -> Card:
    """Measure the int8 file in TensorFlow Lite Micro's arithmetic and describe it."""
    content = target.read_bytes()
    border, macs = _inspect(content)
    frontend = replace(frontend, scale=border.scale or 1.0, zero_point=border.zero_point or 0)
    card = Card(
        task="kws",
        recipe=recipe_file.name,
        teacher="",
        student=student,
        seed=seed,
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
    samples = load(TASKS["kws"], "speech_commands", card, border, sys.maxsize)
    from harness.oracle import Oracle

    with Oracle() as oracle:
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


def main(
    recipe: Annotated[Path, typer.Argument(help="The recipe, in TOML.")],
    out: Annotated[Path, typer.Option(help="Folder for the .tflite, its card and the checkpoint.")] = Path("trained"),
) -> None:
    """Train a student from a recipe."""
    try:
        train(recipe, out)
    except HarnessError as error:
        print(f"harness: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from None


if __name__ == "__main__":
    typer.run(main)
