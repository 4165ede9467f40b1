"""Seam 2: the folder and what model.json says about it."""

import json
import subprocess

import numpy as np
import pytest

from harness.compiler import compile_model
from tests.support.data import MLPERF, mlperf_model
from tests.support.tflite_builder import ModelBuilder, Q

KEYS = {
    "schema", "prefix", "model", "core", "optimise", "flash_weights_bytes", "ram_arena_bytes", "macs", "macs_executed",
    "inputs", "outputs", "tensors", "layers",
}  # fmt: skip
MACS = dict(zip(MLPERF, (264_192, 2_656_768, 12_501_632, 7_489_664), strict=True))


def two_layers(tmp_path):
    b = ModelBuilder()
    x = b.input((1, 4, 4, 2), Q(0.1, 3), name="pixels")
    y = b.conv_2d(x, np.ones((3, 3, 3, 2), np.int8), [0.1, 0.2, 0.3], np.arange(3), Q(0.2, -4))
    path = tmp_path / "net.tflite"
    path.write_bytes(b.build(b.mean(y, (1, 2), Q(0.25, 7))))
    return path


def test_model_json_has_the_promised_keys(tmp_path):
    result = compile_model(two_layers(tmp_path), tmp_path / "out")
    document = json.loads((tmp_path / "out" / "model.json").read_text())
    assert document == result.description and set(document) == KEYS
    assert document["schema"] == 1 and document["macs"] == 4 * 4 * 3 * 18
    [given] = document["inputs"]
    assert (given["name"], given["shape"], given["type"], given["bytes"]) == ("pixels", [1, 4, 4, 2], "int8", 32)
    assert given["scale"] == pytest.approx(0.1) and given["zero_point"] == 3
    assert [layer["op"] for layer in document["layers"]] == ["CONV_2D", "MEAN"]


def test_the_example_of_the_readme_builds_and_runs(tmp_path):
    result = compile_model(two_layers(tmp_path), tmp_path / "out", prefix="net")
    readme = (result.folder / "README.md").read_text()
    example = readme.split("```c\n")[1].split("```")[0]
    assert len(example.strip().splitlines()) == 2
    (result.folder / "main.c").write_text(example)
    subprocess.run(["cc", "-std=c11", "-O2", "main.c", "net.c", "-o", "net"], cwd=result.folder, check=True)
    assert subprocess.run([result.folder / "net"]).returncode == 0


def test_the_header_is_c_plus_plus_too(tmp_path):
    result = compile_model(two_layers(tmp_path), tmp_path / "out")
    (result.folder / "use.c").write_text('#include "model.h"\n#include "model.h"\nint layers = MODEL_LAYERS;\n')
    for language in ("c", "c++"):
        command = ["cc", "-x", language, "-Wall", "-Wextra", "-Werror", "-c", "use.c", "-o", "use.o"]
        subprocess.run(command, cwd=result.folder, check=True)


def test_two_prefixes_live_in_one_program(tmp_path):
    for prefix in ("one", "two"):
        compile_model(two_layers(tmp_path), tmp_path / "out", prefix=prefix)
    main = (
        '#include "one.h"\n#include "two.h"\nint main(void) { one_init(); two_init(); one_invoke(); two_invoke(); }\n'
    )
    (tmp_path / "out" / "main.c").write_text(main)
    subprocess.run(["cc", "-std=c11", "main.c", "one.c", "two.c", "-o", "both"], cwd=tmp_path / "out", check=True)


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    path = two_layers(tmp_path)
    for out in ("a", "b"):
        compile_model(path, tmp_path / out)
    for file in (tmp_path / "a").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize("name", MLPERF)
def test_the_plan_of_mlperf_models(name, tmp_path):
    description = compile_model(mlperf_model(name), tmp_path).description
    assert description["macs"] == MACS[name]
    # What TFLM needs for activations alone, published with its measurements: never more than that.
    live = dict(zip(MLPERF, (768, 16_000, 49_152, 55_296), strict=True))[name]
    assert description["ram_arena_bytes"] <= live * 1.06
    assert description["flash_weights_bytes"] <= mlperf_model(name).stat().st_size
