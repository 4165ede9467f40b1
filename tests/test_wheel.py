"""The wheel, installed with pip into an empty environment, measures a stranger's model in an empty folder."""

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness import __version__
from tests.command import ROOT, assert_failed
from tests.support.tflite_builder import ModelBuilder, Q

INFO = f"tinyml_harness-{__version__}.dist-info"
PACKED = ("firmware", "boards", "recipes")
NO_NETWORK = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError")


def build_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    return wheel


def files_of(folder: Path) -> set[str]:
    """Return the paths below a folder, without what Python compiled."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


def test_the_wheel_holds_all_that_the_code_reads_and_nothing_else(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build_wheel(tmp_path)).namelist()
    package = {name.removeprefix("harness/") for name in names if name.startswith("harness/")}
    packed = {f"_data/{folder}/{name}" for folder in PACKED for name in files_of(ROOT / folder)}
    assert package == files_of(ROOT / "harness") | packed
    assert {name.split("/")[0] for name in names} == {"harness", INFO}
    assert f"{INFO}/licenses/LICENSE" in names


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and what it depends on, seen by a user with a home of their own."""

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def files(self) -> dict[str, int]:
        """Return all that is installed, with the times of the last change."""
        return {str(path): path.stat().st_mtime_ns for path in self.folder.rglob("*") if path.is_file()}

    def run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        ours = ("HARNESS_", "XDG_", "PYTHON", "VIRTUAL_ENV", "PLATFORMIO_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment = {**kept, "HOME": str(self.home)}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    def harness(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return self.run(self.folder / "bin" / "harness", *arguments, cwd=cwd)


def install(wheel: Path, folder: Path) -> Installed:
    """Install the wheel as a user does, with the versions of the lock file; skip where there is no package index."""
    locked = re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "requirements" / "bench.lock").read_text(), re.MULTILINE)
    (folder / "constraints.txt").write_text("\n".join(locked))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=300)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "-c", folder / "constraints.txt", wheel]
    result = subprocess.run(pip, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if result.returncode != 0 and NO_NETWORK.search(result.stderr):
        pytest.skip("pip reaches no package index: the wheel was built, but its installation not tried")
    assert result.returncode == 0, result.stderr
    (folder / "home").mkdir()
    return Installed(folder / "venv", folder / "home")


def keyword_model() -> bytes:
    """Return an int8 model that nobody has seen: 490 features in, 12 classes out."""
    random = np.random.default_rng(5)
    builder = ModelBuilder()
    x = builder.input((1, 490), Q(0.5, 3))
    weights = random.integers(-127, 128, (12, 490), dtype=np.int8)
    bias = random.integers(-1000, 1000, 12, dtype=np.int32)
    return builder.build(builder.softmax(builder.fully_connected(x, weights, [0.01], bias, Q(0.1, -4))))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_stranger_installs_the_wheel_and_measures_a_model(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    installed = install(build_wheel(tmp_path / "dist"), tmp_path)
    before = installed.files()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "kws.tflite").write_bytes(keyword_model())

    result = installed.harness("bench", "kws.tflite", "--board", "nano33", "--on", "qemu", cwd=empty)
    assert result.returncode == 0, result.stderr
    assert "kws" in result.stdout and "synthetic" in result.stdout
    assert {path.name for path in empty.iterdir()} == {"kws.tflite", "results"}
    [run] = (empty / "results" / "runs").iterdir()
    assert "kws" in (run / "report.html").read_text()
    [row] = json.loads((run / "rows.json").read_text())["rows"]
    assert row["status"] == "ok" and row["bit_exact_samples"] == row["samples"] > 0
    assert (row["dataset"], row["git_commit"]) == ("synthetic", None)

    arguments = ("bench", "kws.tflite", "kws_xxs", "--board", "nano33", "--on", "qemu", "--samples", "4", "--json")
    result = installed.run(installed.python, "-m", "harness", *arguments, cwd=empty)
    assert result.returncode == 0, result.stderr
    assert [row["model"] for row in json.loads(result.stdout)["rows"]] == ["kws", "kws_xxs"]
    assert len(list((empty / "results" / "runs").glob("*/report.html"))) == 2

    result = installed.harness("compile", "kws.tflite", "-o", "c", "--core", "m4f", cwd=empty)
    assert result.returncode == 0 and (empty / "c" / "model.c").exists(), result.stderr

    result = installed.harness("distill", "kws_quick", cwd=empty)
    assert_failed(result, 3, "pip install 'tinyml-harness[train]'")
    assert not (empty / "trained").exists()

    assert installed.files() == before, "nothing is written into the environment"
    assert list(installed.home.glob(".cache/tinyml-harness/builds/nano33-*/platformio.ini"))
    where = installed.run(installed.python, "-c", "import harness; print(harness.__file__)", cwd=empty).stdout
    assert Path(where.strip()).is_relative_to(installed.folder), "the checkout was measured, not the wheel"
