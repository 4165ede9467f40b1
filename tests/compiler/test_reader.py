"""Files that are no usable model: one UserError of one line that names what is wrong, and nothing is written."""

import re
import subprocess

import numpy as np
import pytest

from harness.compiler import compile_model
from harness.errors import UserError
from tests.support.data import MLPERF, mlperf_model
from tests.support.tflite_builder import ModelBuilder, Q


def refuse(path, tmp_path) -> str:
    """Compile, expect a refusal, and return its message."""
    out = tmp_path / "out"
    with pytest.raises(UserError) as caught:
        compile_model(path, out)
    assert not out.exists()
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def written(tmp_path, content: bytes, name: str = "net.tflite"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def good_model() -> bytes:
    b = ModelBuilder()
    x = b.input((1, 4, 4, 2), Q(0.1, 3))
    y = b.conv_2d(x, np.ones((3, 3, 3, 2), np.int8), [0.1, 0.2, 0.3], np.arange(3), Q(0.2, -4))
    return b.build(b.mean(y, (1, 2), Q(0.2, -4)))


def float_model() -> bytes:
    b = ModelBuilder()
    x = b.input((1, 3))
    return b.build(b.operator("RELU", [x], b.tensor((1, 3), dtype="float32")))


def test_a_missing_file(tmp_path):
    text = refuse(tmp_path / "nowhere.tflite", tmp_path)
    assert "nowhere.tflite" in text and "expected a .tflite file" in text


def test_a_folder(tmp_path):
    assert "expected a .tflite file" in refuse(tmp_path, tmp_path)


@pytest.mark.parametrize("content", [b"", b"T", b"hello, I am not a neural network\n" * 30, b"\0" * 100])
def test_a_file_that_is_something_else(content, tmp_path):
    text = refuse(written(tmp_path, content), tmp_path)
    assert "not a .tflite file" in text and "TFL3" in text


def test_truncated_at_every_eighth_byte(tmp_path):
    model = good_model()
    for length in range(8, len(model) - 8, 8):
        try:
            compile_model(written(tmp_path, model[:length]), tmp_path / "out")
        except UserError as error:
            assert len(str(error).splitlines()) == 1
        assert not (tmp_path / "out").exists(), f"{length} bytes of {len(model)} compiled"


@pytest.mark.parametrize("name", MLPERF)
def test_truncated_mlperf_models(name, tmp_path):
    model = mlperf_model(name).read_bytes()
    for length in np.linspace(8, len(model) - 9, 40, dtype=int):
        refuse(written(tmp_path, model[:length]), tmp_path)


def test_a_float_model(tmp_path):
    text = refuse(written(tmp_path, float_model()), tmp_path)
    assert "float32" in text and "int8" in text and "RELU" in text


def test_an_unsupported_operator_is_named_with_its_layer_and_what_is_supported(tmp_path):
    b = ModelBuilder()
    x = b.relu(b.input((1, 4), Q()), Q())
    y = b.operator("HARD_SWISH", [x], b.tensor((1, 4), Q(), name="my_layer"))
    text = refuse(written(tmp_path, b.build(y)), tmp_path)
    assert "layer 1" in text and "HARD_SWISH" in text and "my_layer" in text
    for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "SOFTMAX", "RESHAPE", "LOGISTIC"):
        assert re.search(rf"supported: .*\b{op}\b", text)


def _unknown_batch(b):
    return b.relu(b.input((-1, 4), Q()), Q())


def _nothing(b):
    return b.reshape(b.input((1, 4), Q()), (4, 1))


def _asymmetric_weights(b):
    x = b.input((1, 4), Q())
    y = b.fully_connected(x, np.ones((2, 4), np.int8), [0.1], None, Q())
    b._tensors[1].quantization.zeroPoint = [3]
    return y


def _wrong_output_shape(b):
    x = b.input((1, 4, 4, 1), Q())
    y = b.pool_2d(x, "MAX_POOL_2D", (2, 2), stride=(2, 2))
    b._tensors[y].shape = [1, 3, 2, 1]
    return y


def _no_scale(b):
    y = b.relu(b.input((1, 4), Q()), Q())
    b._tensors[y].quantization = None
    return y


def _negative_scale(b):
    return b.relu(b.input((1, 4), Q()), Q(-0.5, 0))


def _int16(b):
    return b.operator("RELU", [b.input((1, 4), Q())], b.tensor((1, 4), Q(), dtype="int16"))


def _zero_stride(b):
    y = b.pool_2d(b.input((1, 4, 4, 1), Q()), "MAX_POOL_2D", (2, 2))
    b._operators[0].builtinOptions.strideH = 0
    return y


def _grouped(b):
    x = b.input((1, 4, 4, 4), Q())
    return b.conv_2d(x, np.ones((2, 1, 1, 2), np.int8), [0.1], None, Q())


def _depth_multiplier(b):
    x = b.input((1, 4, 4, 2), Q())
    y = b.depthwise_conv_2d(x, np.ones((1, 3, 3, 2), np.int8), [0.1], None, Q())
    b._operators[0].builtinOptions.depthMultiplier = 3  # TFLM believes it and reads and writes out of bounds
    return y


def _huge(b):
    return b.pad(b.input((1, 4), Q()), ((0, 2**20), (0, 2**20)))


def _cycle(b):
    x = b.input((1, 4), Q())
    later = b.tensor((1, 4), Q())
    y = b.add(x, later, Q())
    b.operator("RELU", [y], later)
    return y


def _missing_input(b):
    return b.operator("RELU", [], b.tensor((1, 4), Q()))


BAD = [
    _unknown_batch, _nothing, _asymmetric_weights, _wrong_output_shape, _no_scale, _negative_scale, _int16,
    _zero_stride, _grouped, _depth_multiplier, _huge, _cycle, _missing_input,
]  # fmt: skip


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__.strip("_"))
def test_a_model_that_cannot_be_right_or_is_not_supported(make, tmp_path):
    b = ModelBuilder()
    if make is _missing_input:
        b.input((1, 4), Q())
    refuse(written(tmp_path, b.build(make(b))), tmp_path)


@pytest.mark.parametrize("prefix", ["", "2x", "a-b", "Model", "x" * 40, "é", "a b", "../up"])
def test_a_prefix_that_is_no_identifier(prefix, tmp_path):
    path = written(tmp_path, good_model())
    with pytest.raises(UserError, match="prefix"):
        compile_model(path, tmp_path / "out", prefix=prefix)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prefix", ["int", "while", "main", "static", "weights_0", "layer_0"])
def test_a_prefix_that_means_something_in_c_builds_all_the_same(prefix, tmp_path):
    path = written(tmp_path, good_model())
    compile_model(path, tmp_path / "out", prefix=prefix)
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", f"{prefix}.c", "-o", "x.o"]
    subprocess.run(command, cwd=tmp_path / "out", check=True)
