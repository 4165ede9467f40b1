"""What is exported says what was trained; a converter that fails is one line."""

import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from harness.errors import EnvironmentFailure  # noqa: E402
from harness.oracle import Oracle, engine_of  # noqa: E402
from harness.tasks import read_card  # noqa: E402
from harness.tasks.frontend import SPEECH_LOG_MEL  # noqa: E402
from harness.train import measure, trainer  # noqa: E402
from harness.train.compress.convert import convert  # noqa: E402
from harness.train.distill import run  # noqa: E402
from harness.train.recipe import Export, Recipe  # noqa: E402
from tests.tasks.test_samples import CARD  # noqa: E402
from tests.train import toys  # noqa: E402


def scores(file: Path, inputs: np.ndarray) -> np.ndarray:
    """Return what the reference interpreters say of real inputs."""
    content = file.read_bytes()
    border, _ = measure._inspect(content)
    if border.dtype == "int8":
        assert border.scale and border.zero_point is not None
        inputs = np.clip(np.rint(inputs / border.scale + border.zero_point), -128, 127).astype(np.int8)
    with Oracle() as oracle:
        [found] = oracle.run(content, [inputs], engine=engine_of(content))
    return found.reshape(len(inputs), -1)


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_the_file_says_what_the_model_says(here: None, tmp_path: Path, kind: str) -> None:
    examples, model = toys.toy(), toys.network(dropout=0.5)
    random = np.random.default_rng(0)
    inputs = examples.validation_inputs
    for weight in model.weights:
        weight.assign(weight + 0.3 * random.uniform(0, 1, weight.shape))
    convert(model, tmp_path / "m.tflite", inputs if kind == "int8" else None)
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]
    found, expected = scores(tmp_path / "m.tflite", inputs), trainer.logits(model, inputs)
    assert len(set(expected.argmax(axis=1))) > 1
    if kind == "float":
        softmax = np.exp(expected - expected.max(axis=1, keepdims=True))
        np.testing.assert_allclose(found, softmax / softmax.sum(axis=1, keepdims=True), atol=1e-5)
    else:
        assert found.dtype == np.int8
        assert np.mean(found.argmax(axis=1) == expected.argmax(axis=1)) > 0.9


def of_code() -> "keras.Model":
    inputs = keras.Input(toys.SHAPE)
    return keras.Model(inputs, keras.layers.Lambda(lambda x: keras.ops.sum(x, (1, 2)))(inputs))


def refused(model: "keras.Model", folder: Path, calibration: np.ndarray | None = None) -> str:
    """Return the one line that says why the converter failed."""
    with pytest.raises(
        EnvironmentFailure, match=r"expected the converter to write .*m.tflite, it ended with "
    ) as raised:
        convert(model, folder / "m.tflite", calibration)
    assert "\n" not in str(raised.value)
    assert not (folder / "m.tflite").exists()
    return str(raised.value)


def test_a_model_with_code_in_it_is_not_converted(here: None, tmp_path: Path) -> None:
    assert "Lambda" in refused(of_code(), tmp_path)


@pytest.mark.slow
def test_a_converter_that_fails_is_one_line(tmp_path: Path) -> None:
    assert "ended with 1: " in refused(toys.tiny(), tmp_path, calibration=np.zeros((3, 5, 5, 1), np.float32))


@pytest.mark.parametrize("status", [0, -9])
def test_a_converter_that_dies_without_a_word_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    died = subprocess.CompletedProcess([], status, "", "")
    monkeypatch.setattr(subprocess, "run", lambda command, **settings: died)
    assert f"ended with {status}: no message" in refused(toys.tiny(), tmp_path)


def test_a_teacher_is_a_keras_file_with_its_card(here: None, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((98, 40, 1)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(12)])
    plan = Recipe("wise", "kws", data="synthetic", export=Export(kind="float", test_samples=7))
    card = replace(CARD, dataset="synthetic", frontend=SPEECH_LOG_MEL)
    made = run._export(model, np.zeros((1, 98, 40, 1), np.float32), tmp_path, plan, card)
    assert (made.model, made.board) == (tmp_path / "wise.keras", "")
    assert read_card(made.model) == made.card
    assert (made.card.samples, made.card.macs) == (7, 12)
    assert made.card.sha256 == sha256(made.model.read_bytes()).hexdigest()
    assert (made.card.frontend.scale, made.card.frontend.zero_point) == (1.0, 0)
