"""The worked example of docs/distillation.md: as it stands there it is a method, it trains, and its recipe is read."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from harness.errors import UserError  # noqa: E402
from harness.train import recipe  # noqa: E402
from harness.train.distill.methods import METHODS, choose  # noqa: E402
from harness.train.trainer import logits  # noqa: E402
from tests.train import toys  # noqa: E402

DOC = Path(__file__).resolve().parents[2] / "docs" / "distillation.md"


def block(name: str) -> str:
    """Return the code block behind `<!-- example: NAME -->`."""
    [found] = re.findall(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of the document's file, registered by the document's line."""
    path = tmp_path / "logits.py"
    path.write_text(block("the file"))
    spec = importlib.util.spec_from_file_location("harness.train.distill.logits", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    line = block("the line")
    assert len(line.splitlines()) == 1
    for name, method in eval(f"{{{line}}}", dict(vars(module))).items():
        monkeypatch.setitem(METHODS, name, method)
    return module


def test_it_trains_a_student(example: ModuleType, tmp_path: Path) -> None:
    examples = toys.toy()
    teacher = toys.network("teacher", seed=7)
    toys.trained(teacher, tmp_path / "teacher.npz", examples=examples)
    said = logits(teacher, examples.view(0).inputs)
    student = toys.network()

    def apart() -> float:
        return float(np.mean((logits(student, examples.view(0).inputs) - said) ** 2) / 2)

    before = apart()
    objective, methods = toys.distilled(
        student, examples, said[:, None], method="logits", alpha=(1.0, 1.0), methods={"logits": {"limit": 50}}
    )
    assert isinstance(methods["logits"], example.Logits)
    epochs = toys.trained(student, tmp_path / "student.npz", objective, examples)
    assert apart() < 0.5 * before
    assert epochs[-1].terms["logits"] < epochs[0].terms["logits"]


def test_its_recipe_is_read_and_a_wrong_one_is_refused(example: ModuleType, recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text(f'like = "{recipes / "distillation" / "kws" / "none.toml"}"\n')
    (tmp_path / "logits.toml").write_text(block("the recipe"))
    methods = choose(recipe.read(tmp_path / "logits.toml").distill)
    assert methods["logits"].settings == example.LogitsSettings(weight=0.1)
    with pytest.raises(UserError, match=r"expected above 0 for limit in \[distill.logits\]"):
        choose(recipe.read(tmp_path / "logits.toml", ["distill.logits.limit=0"]).distill)


def test_it_is_in_a_file_of_that_name_nowhere_yet() -> None:
    """Or the example would tell people to write over a file of the project."""
    assert "logits" not in METHODS
    assert importlib.util.find_spec("harness.train.distill.logits") is None
