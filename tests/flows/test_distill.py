"""`harness distill` says early what is wrong, and what is kept when it is stopped. Training itself: tests/train."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.errors import Interrupted, UserError
from harness.flows import distill as flow
from harness.flows.run import Run
from harness.report.progress import Speaker
from harness.rows.measurement import Document
from harness.tasks import read_card, zoo_models
from tests.command import ROOT
from tests.rows.examples import make_row

QUICK = ROOT / "recipes" / "kws_quick.toml"


def test_a_wrong_recipe_is_refused_before_tensorflow_is_imported() -> None:
    program = (
        "import sys; from harness.cli import run; "
        f"status = run(['distill', {str(QUICK)!r}, '--set', 'distill.temperature=0']); "
        "print(status, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
    assert "expected above 0 for distill.temperature" in done.stderr


def test_who_stops_it_is_told_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pytest.importorskip("harness.train.distill")

    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "distill", stopped)
    with pytest.raises(Interrupted, match="finished epochs are kept; the same command goes on"):
        flow.distill(QUICK, tmp_path, [], None, Speaker(Console(file=io.StringIO())))


@pytest.mark.parametrize("exact", [4, 3])
def test_a_card_says_what_a_board_takes_only_where_its_bits_are_right(
    exact: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_row(board="nano33", samples=4, bit_exact_samples=exact, instructions=7)
    run = Run(Document((row,)), tmp_path)
    monkeypatch.setattr(flow, "bench", lambda request, speaker: run)
    card, speaker = read_card(zoo_models()["kws_xs"]), Speaker(Console(file=io.StringIO()))
    assert card is not None
    if exact == 4:
        measured = flow._measured(tmp_path / "a.tflite", card, "nano33", speaker).measured
        assert measured is not None and measured.instructions == 7
        assert measured.command.startswith("harness bench a.tflite --board nano33")
    else:
        with pytest.raises(
            flow.EnvironmentFailure, match=r"4 outputs of .*a\.tflite on nano33 .* 3 are: .*harness diff"
        ):
            flow._measured(tmp_path / "a.tflite", card, "nano33", speaker)


def test_without_keras_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harness.train.distill", None)
    with pytest.raises(flow.EnvironmentFailure, match=r"pip install 'tinyml-harness\[train\]'"):
        flow.distill(QUICK, tmp_path, [], None, Speaker(Console(file=io.StringIO())))


def test_a_recipe_that_comes_along_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert flow.find_recipe(Path("kws_quick")) == QUICK
    (tmp_path / "kws_quick").write_text("mine")
    assert flow.find_recipe(Path("kws_quick")) == Path("kws_quick"), "a file of the user's wins"
    assert flow.find_recipe(Path("mine.toml")) == Path("mine.toml")


@pytest.mark.parametrize(
    ("name", "words"), [("kws_quik", "did you mean 'kws_quick'"), ("zzz", "kws_xxs come with the harness")]
)
def test_a_misspelt_recipe_is_answered_with_the_nearest(name: str, words: str) -> None:
    with pytest.raises(UserError, match=f"got {name!r}; .*{words}"):
        flow.find_recipe(Path(name))
