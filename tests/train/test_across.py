"""Across architectures: a Transformer and a recurrent network are what their papers say, teach, and are taught."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import tensorflow as tf  # noqa: E402

from harness.flows.evaluate import evaluate  # noqa: E402
from harness.tasks import read_card  # noqa: E402
from harness.train import measure, models  # noqa: E402
from harness.train.compress.convert import convert  # noqa: E402
from harness.train.distill import distill  # noqa: E402
from harness.train.distill.methods import METHODS  # noqa: E402
from harness.train.distill.objective import with_layers  # noqa: E402
from tests.flows.test_teacher import QUIET  # noqa: E402
from tests.train import toys  # noqa: E402
from tests.train.test_convert import scores  # noqa: E402
from tests.train.test_models import macs  # noqa: E402
from tests.train.tones import RECIPE, record_words  # noqa: E402

SIZES: dict[str, dict[str, Any]] = {
    "transformer": {"patch": 3, "width": 6, "heads": 2, "hidden": 10, "blocks": 2},
    "recurrent": {"units": [5, 4]},
}
VARIANTS = [
    ("transformer", {"norm": "post", "pool": "mean"}),
    ("transformer", {"norm": "pre", "pool": "token"}),
    ("transformer", {"norm": "post", "pool": "token"}),
    ("recurrent", {}),
]
each_variant = pytest.mark.parametrize(("architecture", "more"), VARIANTS)
LAYERS = {"student": ["stage1", "stage2"], "teacher": ["stage1", "stage2"]}
TOLD: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("hint", "attention", "gram", "mimic", "rkd"), LAYERS),
    "own_teacher": {"exits": ["stage1"]},
    "mutual": {"peer": {"architecture": "transformer", **SIZES["transformer"]}},
}
"""What a recipe would tell the methods."""


def small(architecture: str, **more: Any) -> "keras.Model":
    """Return a small model whose every weight says something."""
    keras.utils.set_random_seed(2)
    model = models.build(architecture, toys.SHAPE, 3, **SIZES[architecture], **more)
    random = np.random.default_rng(2)
    model.set_weights([value + random.normal(0, 0.3, value.shape) for value in model.get_weights()])
    return model


def inputs(count: int = 8) -> np.ndarray:
    return toys.toy().validation_inputs[:count]


def of(model: "keras.Model", kind: type) -> Iterator[list[np.ndarray]]:
    """Return the weights of each layer of a kind, in the order of the model."""
    return (layer.get_weights() for layer in model.layers if type(layer) is kind)


def normalised(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * gamma + beta


def attended(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Softmax(q k' / sqrt(size of a head)) v, head by head."""
    heads = []
    for h in range(weights[0].shape[1]):
        q, k, v = (x @ weights[2 * i][:, h] + weights[2 * i + 1][h] for i in range(3))
        scores = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]))
        heads.append(scores / scores.sum(-1, keepdims=True) @ v @ weights[6][h])
    return sum(heads) + weights[7]


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def transformed(model: "keras.Model", x: np.ndarray, norm: str, pool: str) -> np.ndarray:
    """Return the logits of a Transformer."""
    norms, denses = of(model, keras.layers.LayerNormalization), of(model, keras.layers.Dense)
    [(matrix, places)] = of(model, keras.layers.EinsumDense)
    assert len(places) == (4 if pool == "mean" else 5)  # a learned place for each token
    x = x.reshape(len(x), 4, 27) @ matrix  # patches of three frames
    x = x + places if pool == "mean" else np.concatenate([np.zeros((len(x), 1, 6)), x], axis=1) + places
    for weights in of(model, keras.layers.MultiHeadAttention):
        branches = [lambda y, w=weights: attended(y, w), lambda y: perceptron(y, next(denses), next(denses))]
        for branch in branches:
            x = x + branch(normalised(x, *next(norms))) if norm == "pre" else normalised(x + branch(x), *next(norms))
    x = normalised(x, *next(norms)) if norm == "pre" else x
    kernel, bias = next(denses)
    assert next(norms, None) is None and next(denses, None) is None
    return (x.mean(axis=1) if pool == "mean" else x[:, 0]) @ kernel + bias


def perceptron(x: np.ndarray, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
    return gelu(x @ first[0] + first[1]) @ second[0] + second[1]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def stepped(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return all states of a layer of GRUs: h = z h + (1 - z) tanh(W x + r (U h + b))."""
    size = len(recurrent)
    state, states = np.zeros((len(x), size)), []
    for frame in x.swapaxes(0, 1):
        ours, before = frame @ kernel + biases[0], state @ recurrent + biases[1]
        keep, reset = np.split(sigmoid(ours + before)[:, : 2 * size], 2, axis=1)
        state = keep * state + (1 - keep) * np.tanh(ours[:, 2 * size :] + reset * before[:, 2 * size :])
        states.append(state)
    return np.stack(states, axis=1)


@each_variant
def test_the_model_is_what_a_few_lines_of_numpy_say(architecture: str, more: dict[str, Any]) -> None:
    model, x = small(architecture, **more), inputs()
    if architecture == "transformer":
        expected = transformed(model, x[..., 0].astype(float), **more)
    else:
        states = x[..., 0].astype(float)
        for weights in of(model, keras.layers.GRU):
            states = stepped(states, *weights)
        [(kernel, bias)] = of(model, keras.layers.Dense)
        expected = states.mean(axis=1) @ kernel + bias
    np.testing.assert_allclose(model(x), expected, rtol=1e-3, atol=1e-4)


@each_variant
def test_the_file_says_and_costs_what_the_model_does(
    architecture: str, more: dict[str, Any], tmp_path: Path, here: None
) -> None:
    model, x = small(architecture, **more), inputs()
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras", compile=False)(x), model(x))
    convert(model, tmp_path / "m.tflite")
    np.testing.assert_allclose(scores(tmp_path / "m.tflite", x), keras.ops.softmax(model(x)), atol=1e-5)
    assert measure._inspect((tmp_path / "m.tflite").read_bytes())[1] == macs(model)


def test_a_branch_is_left_out_for_some_items_in_training_alone() -> None:
    model, x = small("transformer", dropout=0.5), np.repeat(inputs(1), 64, axis=0)
    assert len(np.unique(np.round(model(x), 4), axis=0)) == 1
    assert 2 <= len(np.unique(np.round(model(x, training=True), 4), axis=0)) <= 2**4  # four branches, there or not


@pytest.mark.parametrize("architecture", SIZES)
def test_tokens_and_steps_are_maps_of_one_column(architecture: str) -> None:
    model = small(architecture)
    wider, shapes = with_layers(model, ["stage2", "-2", "0"])
    logits, outputs = wider(inputs())
    plain = keras.Model(model.inputs[0], model.get_layer("stage2").output)(inputs())
    np.testing.assert_array_equal(outputs["stage2"], np.asarray(plain)[:, :, None])
    assert shapes["stage2"] == (plain.shape[1], 1, plain.shape[2])
    assert (len(shapes["-2"]), shapes["0"]) == (1, toys.SHAPE)
    np.testing.assert_array_equal(logits, model(inputs()))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_a_step_from_a_transformer_to_a_recurrent_student(method: str, tmp_path: Path) -> None:
    examples, student, teacher = toys.toy(), small("recurrent"), small("transformer")
    taught = METHODS[method].taught
    said = np.asarray(teacher(examples.view(0).inputs))[:, None]
    settings = {"method": method, "teachers": ("a",) if taught else (), "methods": {method: TOLD.get(method, {})}}
    objective, _ = toys.distilled(student, examples, said, teacher if taught else None, epochs=1, **settings)
    before = [value.copy() for value in student.get_weights()]
    columns = (each[:16] for each in (examples.view(0).inputs, examples.view(0).targets, *objective.columns(0)))
    shown, targets, *more = map(keras.ops.convert_to_tensor, columns)
    optimizer = keras.optimizers.SGD(0.1)
    with tf.GradientTape() as tape:
        terms = objective.terms(shown, targets, tuple(more), 0.0)
        loss = tf.add_n(list(terms.values()))
    trained = [*student.trainable_variables, *objective.variables]
    optimizer.apply(tape.gradient(loss, trained, unconnected_gradients="zero"), trained)
    assert method in terms and all(np.isfinite(term) for term in terms.values())
    after = student.get_weights()
    assert all(np.isfinite(value).all() for value in after)
    assert any(not np.array_equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.slow
def test_a_recurrent_student_learns_from_a_transformer_and_is_measured_on_the_host(
    tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    data = record_words(tmp_path / "data")
    (tmp_path / "base.toml").write_text(RECIPE)
    recipes = {
        "attentive": '[student]\narchitecture = "transformer"\nwidth = 8\nhidden = 8\nblocks = 1\n'
        '[frontend]\nhop_ms = 10\n[export]\nkind = "float"\n',
        "steps": '[student]\narchitecture = "recurrent"\nunits = [8]\n[export]\nkind = "host"\n'
        '[distill]\nmethod = "soft+hint"\nteachers = ["TEACHER"]\n'
        '[distill.hint]\nstudent = "stage1"\nteacher = "stage1"\n',
    }
    made = {}
    for name, text in recipes.items():
        text = text.replace("TEACHER", str(tmp_path / "attentive" / "attentive.keras"))
        (tmp_path / f"{name}.toml").write_text(f'like = "base.toml"\nname = "{name}"\n{text}')
        lines: list[str] = []
        made[name] = distill(tmp_path / f"{name}.toml", tmp_path / name, changes=[f"data={data}"], say=lines.append)
    student = made["steps"]
    assert (student.model.name, student.board) == ("steps.keras", "")
    assert lines[-1].endswith(" MACs, float, on the host alone")
    assert student.card == read_card(student.model)
    assert (student.card.teacher, student.card.student) == ("attentive", "recurrent, units [8]")
    assert student.card.macs == 3 * 8 * (49 * 40 + 48 * 8) + 8 * 3
    assert student.card.accuracy > 60  # by chance: 33
    note = json.loads((tmp_path / "steps" / "result.json").read_text())
    assert (note["student"], note["teacher"], note["export"]) == ("steps", "attentive", "host")

    [row] = evaluate(str(student.model), data=str(data), split="test", task=None, speaker=QUIET).rows
    assert (row.where, row.engine, row.board, row.samples) == ("host", "litert", None, student.card.samples)
    assert row.accuracy is not None and round(row.accuracy, 2) == student.card.accuracy
