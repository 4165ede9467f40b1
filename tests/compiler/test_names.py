"""What a .tflite calls its tensors is data: it builds without a warning, stays inside strings, and gives valid JSON."""

import json
import re
import subprocess

import numpy as np
import pytest

from harness.compiler import compile_model
from harness.oracle import Oracle
from tests.support.exactness import check
from tests.support.strategies import Case
from tests.support.tflite_builder import ModelBuilder, Q

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wtrigraphs", "-Wcomment")
HOSTILE = {
    "quotes": "a\"b'c\\",
    "newline": "a\nb\r\nc",
    "end of comment": "*/ int evil; /*",
    "trigraph": "??/\n??' ??)",
    "line splice": "comment ends in a backslash \\",
    "format": "%s%n%d",
    "jinja": "{{ 7 * 7 }}{% raw %}",
    "path": "../../etc/passwd",
    "not UTF-8": b"\xff\xfe\x80abc\xc3",
    "empty": "",
    "long": "x" * 5000,
    "zero byte": b"a\0b",
    "hex after escape": "\x01f\x02a",
    "html": "<script>alert(1)</script>",
    "right to left": "\u202e gnirts \u2028 end",
    "macro": "__FILE__ MODEL_LAYERS",
}


def model_with_names(name):
    b = ModelBuilder()
    x = b.input((1, 3, 3, 2), Q(0.1, 3), name=name)
    weights = np.ones((2, 1, 1, 2), np.int8)
    y = b.conv_2d(x, weights, [0.1], np.arange(2), Q(0.2, -4))
    z = b.softmax(b.reshape(y, (1, 18)))
    for tensor in b._tensors:
        tensor.name = name
    return b.build(z)


@pytest.fixture(params=HOSTILE)
def compiled(request, tmp_path):
    name = HOSTILE[request.param]
    path = tmp_path / "net.tflite"
    path.write_bytes(model_with_names(name))
    text = name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name
    return text, compile_model(path, tmp_path / "out")


def test_the_folder_builds_without_a_warning(compiled):
    _, result = compiled
    for options in (["-c"], ["-c", "-trigraphs"]):
        command = ["cc", *STRICT, *options, "model.c", "-o", "model.o"]
        process = subprocess.run(command, cwd=result.folder, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr


def test_the_name_survives_in_json_and_in_c(compiled, tmp_path):
    text, result = compiled
    document = json.loads((result.folder / "model.json").read_text(encoding="utf-8"))
    assert document == result.description
    assert document["inputs"][0]["name"] == text
    body = "int i, o; fputs(model_tensors(&i, &o)[0].name, stdout);"
    main = f'#include "model.h"\n#include <stdio.h>\nint main(void) {{ {body} }}'
    (result.folder / "say.c").write_text(main)
    subprocess.run(["cc", "-std=c11", "say.c", "model.c", "-o", "say"], cwd=result.folder, check=True)
    said = subprocess.run([result.folder / "say"], capture_output=True, check=True).stdout
    assert said == text.encode("utf-8").split(b"\0")[0]


def test_no_name_becomes_a_file_or_an_identifier(compiled):
    _, result = compiled
    files = {str(path.relative_to(result.folder)) for path in result.folder.rglob("*") if path.is_file()}
    kernels = {file for file in files if file.startswith("kernels/")}
    assert files - kernels == {"model.c", "model.h", "model.json", "README.md"}
    for file in ("model.c", "model.h", "README.md"):
        text = (result.folder / file).read_text(encoding="utf-8")
        assert text.isascii() and "evil" not in strip_strings_and_comments(text)
        assert max(map(len, text.splitlines())) < 20000


def strip_strings_and_comments(text: str) -> str:
    return re.sub(r'"(\\.|[^"\\])*"|/\*.*?\*/', "", text, flags=re.DOTALL)


def test_the_file_name_is_no_identifier_either(tmp_path):
    path = tmp_path / '2 be; or "not"\n*.tflite'
    path.write_bytes(model_with_names("x"))
    result = compile_model(path, tmp_path / "out")
    subprocess.run(["cc", *STRICT, "-c", "model.c", "-o", "model.o"], cwd=result.folder, check=True)
    assert "2 be" not in (result.folder / "model.c").read_text()
    assert result.description["model"]["file"] == path.stem


def test_names_do_not_change_the_bytes(tmp_path):
    batch = np.random.default_rng(0).integers(-128, 128, (4, 1, 3, 3, 2), dtype=np.int8)
    cases = [Case(model_with_names(name), (batch,), repr(name)[:40]) for name in ("plain", *HOSTILE.values())]
    with Oracle() as oracle:
        check(cases[:8], tmp_path, oracle)
