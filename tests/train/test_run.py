"""The whole chain of training, from a recipe to a model that the compiler takes."""

import hashlib
import re
from pathlib import Path

import pytest

pytest.importorskip("keras")

from harness.compiler import read_program
from harness.errors import UserError
from harness.tasks import read_card
from harness.train.run import train

pytestmark = pytest.mark.slow


def test_the_quick_recipe_learns_and_gives_a_model_with_its_card(data: Path, recipes: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    model = train(recipes / "kws_quick.toml", tmp_path, lines.append)
    losses = [float(re.search(r"loss ([\d.]+)", line)[1]) for line in lines[:-1]]  # type: ignore[index]
    assert losses[-1] < 0.7 * losses[0]
    card = read_card(model)
    assert card is not None
    assert card.accuracy > 40  # by chance: 8.3
    assert card.samples == 400
    assert card.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    program = read_program(model)
    assert program.macs == card.macs
    [tensor] = [program.graph.tensors[i] for i in program.graph.inputs]
    assert tensor.dtype == "int8" and tensor.shape == (1, 49, 10, 1)
    assert tensor.quantization is not None
    assert (tensor.quantization.scale, tensor.quantization.zero_point) == (
        card.frontend.scale,
        card.frontend.zero_point,
    )
    with pytest.raises(UserError, match="holds another recipe's run"):
        train(recipes / "kws_dscnn_s.toml", tmp_path)


def test_no_data_no_training(monkeypatch: pytest.MonkeyPatch, recipes: Path, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    with pytest.raises(UserError, match="HARNESS_DATA is not set"):
        train(recipes / "kws_quick.toml", tmp_path)
