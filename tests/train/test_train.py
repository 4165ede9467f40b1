"""Training on a few real pictures: it learns, resumes where it was killed, notices NaN, and exports what we compile."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.train import recipe as recipes

RECIPE = Path(__file__).parents[2] / "recipes" / "kws_dscnn_s.toml"


@pytest.fixture(scope="module")
def quick() -> recipes.Recipe:
    whole = recipes.read(RECIPE)
    student = {**whole.student, "channels": 24, "blocks": 2}
    return replace(whole, student=student, schedule=replace(whole.schedule, examples=3000, epochs=2, batch=50))


@pytest.fixture(scope="module")
def examples(quick: recipes.Recipe) -> Iterator[object]:
    folder = os.environ.get("HARNESS_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HARNESS_DATA names no folder")
    from harness.train import speech

    yield speech.prepare(quick)[0]


def student(quick: recipes.Recipe, examples: object):
    import keras

    from harness.train import models

    keras.utils.set_random_seed(quick.seed)
    sizes = dict(quick.student)
    return models.build(sizes.pop("architecture"), examples.calibration.shape[1:], 12, **sizes)


@pytest.mark.slow
def test_the_loss_falls_and_a_killed_run_ends_with_the_same_weights(
    quick: recipes.Recipe, examples: object, tmp_path: Path
) -> None:
    from harness.train import trainer

    whole, losses = student(quick, examples), []
    trainer.fit(
        whole, examples, quick.schedule, seed=0, checkpoint=tmp_path / "a.npz", report=lambda e: losses.append(e.loss)
    )
    assert losses[1] < losses[0] - 0.15

    class Killed(Exception):
        pass

    def kill(epoch: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        trainer.fit(
            student(quick, examples), examples, quick.schedule, seed=0, checkpoint=tmp_path / "b.npz", report=kill
        )
    resumed = student(quick, examples)
    trainer.fit(resumed, examples, quick.schedule, seed=0, checkpoint=tmp_path / "b.npz", report=lambda e: None)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run(quick: recipes.Recipe, examples: object, tmp_path: Path) -> None:
    from harness.train import trainer

    model = student(quick, examples)
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    with pytest.raises(trainer.TrainingDiverged, match="step 0 of epoch 0"):
        trainer.fit(model, examples, quick.schedule, seed=0, checkpoint=tmp_path / "c.npz", report=lambda e: None)


@pytest.mark.slow
def test_what_is_exported_is_int8_and_compiles(quick: recipes.Recipe, examples: object, tmp_path: Path) -> None:
    from harness.compiler import read_program
    from harness.train.compress.quantize import quantize

    quantize(student(quick, examples), examples.calibration[:50], tmp_path / "m.tflite")
    program = read_program(tmp_path / "m.tflite")
    tensors = [program.graph.tensors[i] for i in (*program.graph.inputs, *program.graph.outputs)]
    assert [(tensor.shape, tensor.dtype) for tensor in tensors] == [((1, 49, 10, 1), "int8"), ((1, 12), "int8")]


def test_the_recipe_is_the_one_of_the_zoo() -> None:
    plan = recipes.read(RECIPE)
    assert (plan.name, plan.task, plan.student["architecture"]) == ("kws_dscnn_s", "kws", "dscnn")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'", "expected 'name' and 'task'"),
        ("name = 'x'\ntask = 'kws'\nwrong = 1", "got 'wrong'"),
        ("name = 'x'\ntask = 'kws'\n[schedule]\nepochs = 0", "'epochs'.*out of its range"),
        ("name = 'x'\ntask = 'kws'\n[schedule]\nepochs = 'many'", "expected a number for 'epochs'"),
        ("name = ", "expected a recipe in TOML"),
    ],
)
def test_a_wrong_recipe_is_explained(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "r.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        recipes.read(file)
