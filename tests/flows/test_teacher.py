"""Teachers of the zoo are what their cards say; anything else with their ending is refused in one line."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness import resources
from harness.errors import UserError
from harness.flows.evaluate import evaluate
from harness.report.progress import Speaker
from harness.tasks import read_card

TEACHERS = sorted(path.stem for path in (resources.zoo() / "teachers").glob("*.keras"))
QUIET = Speaker(Console(file=StringIO()))


@pytest.mark.slow
@pytest.mark.parametrize("stem", TEACHERS)
def test_a_teachers_card_tells_the_truth(stem: str, data: Path) -> None:
    pytest.importorskip("keras")
    card = read_card(resources.zoo() / "teachers" / f"{stem}.keras")
    assert card is not None
    [row] = evaluate(stem, data=card.dataset, split=None, task=None, speaker=QUIET).rows
    assert row.accuracy is not None
    assert (round(row.accuracy, 2), row.samples, row.macs) == (card.accuracy, card.samples, card.macs)
    assert row.engine == "litert"


def test_the_best_teacher_is_as_good_as_was_asked_for() -> None:
    card = read_card(resources.zoo() / "teachers" / "kws_resnet_mean.keras")
    assert card is not None and card.samples == 4890
    assert card.accuracy >= 97.7


def test_no_keras_model(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    damaged = tmp_path / "teacher.keras"
    damaged.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(UserError, match="expected a Keras model at"):
        evaluate(str(damaged), data="synthetic", split=None, task=None, speaker=QUIET)
