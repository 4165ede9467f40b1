import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.flows.compile import compile_to
from tests.flows.models import small_model


def compiled(model: Path, out: Path, prefix: str = "model") -> dict[str, object]:
    return compile_to(str(model), out, prefix=prefix, core=None, optimise="balanced")


def test_the_folder_builds_with_any_compiler(tmp_path: Path) -> None:
    out = tmp_path / "c"
    description = compiled(small_model(tmp_path), out, "tiny")
    assert json.loads((out / "tiny.json").read_text()) == description
    cc = shutil.which("cc")
    assert cc is not None
    command = [cc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", "tiny.c", "-o", str(tmp_path / "tiny.o")]
    subprocess.run(command, cwd=out, check=True)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "main.c").write_text("int main(void) { return 0; }\n")
    compiled(small_model(tmp_path), tmp_path / "c")
    assert {"main.c", "model.c", "model.h"} <= {path.name for path in (tmp_path / "c").iterdir()}


@pytest.mark.parametrize("prefix", ["Model", "a b", "9lives", "int main", "../x", ""])
def test_a_prefix_that_is_no_c_name_writes_nothing(tmp_path: Path, prefix: str) -> None:
    model = small_model(tmp_path)
    with pytest.raises(UserError, match="prefix"):
        compiled(model, tmp_path / "c", prefix)
    assert [path.name for path in tmp_path.iterdir()] == ["small.tflite"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("mine")
    with pytest.raises(UserError, match="expected a folder"):
        compiled(small_model(tmp_path), tmp_path / "c")
    assert (tmp_path / "c").read_text() == "mine"


def test_an_unknown_core_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'m5'.*m4f"):
        compile_to(str(small_model(tmp_path)), tmp_path / "c", prefix="model", core="m5", optimise="balanced")
