import json
import re
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


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the compiler for Cortex-M")
@pytest.mark.parametrize("abi", ["softfp", "hard"])
def test_a_folder_for_a_core_builds_as_its_readme_says(tmp_path: Path, abi: str) -> None:
    folder = tmp_path / "c"
    compile_to("kws_s", folder, prefix="net", core="m4f", optimise="balanced")
    command = re.search(r"`(arm-none-eabi-gcc [^`]*)`", (folder / "README.md").read_text())
    assert command is not None
    arguments = command[1].replace("softfp", abi).split()
    subprocess.run([*arguments, "-Wall", "-Wextra", "-Werror"], cwd=folder, check=True, timeout=120)
    symbols = subprocess.run(
        ["arm-none-eabi-nm", "net.o", "net_kernels.o"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    defined = {line.split()[2] for line in symbols.splitlines() if " T " in line}
    undefined = {line.split()[1] for line in symbols.splitlines() if " U " in line}
    assert {"net_init", "net_invoke", "net_tensors"} <= defined
    assert {name for name in undefined - defined if name.startswith("net_")} == set()


def test_the_portable_folder_has_no_assembly(tmp_path: Path) -> None:
    compile_to("kws_s", tmp_path / "c", prefix="net", core=None, optimise="balanced")
    assert not list((tmp_path / "c").glob("*.S"))
