"""What the zoo's students get right, in TensorFlow Lite Micro's arithmetic."""

import sys
from pathlib import Path

import pytest

from harness.compiler import read_program
from harness.oracle import Oracle
from harness.rows.store import read_document
from harness.tasks import TASKS, ModelInput, load, metrics, read_card, zoo_models

STUDENTS = sorted(zoo_models())
BASELINE = Path(__file__).resolve().parents[2] / "results" / "baselines" / "zoo"


def accuracy(stem: str, data: str) -> tuple[float, int]:
    """Return a student's accuracy in percent, and on how many samples."""
    path = zoo_models()[stem]
    card, graph = read_card(path), read_program(path).graph
    assert card is not None
    tensor = graph.tensors[graph.inputs[0]]
    assert tensor.quantization is not None
    border = ModelInput(tensor.shape, tensor.dtype, tensor.quantization.scale, tensor.quantization.zero_point)
    samples = load(TASKS[card.task], data, card, border, sys.maxsize)
    assert samples.labels is not None
    with Oracle(workers=2) as oracle:
        [scores] = oracle.run(path.read_bytes(), [samples.inputs])
    return metrics.top1(metrics.predictions(scores), samples.labels), len(samples.labels)


@pytest.mark.slow
@pytest.mark.parametrize("stem", STUDENTS)
def test_a_card_tells_the_truth(stem: str, data: Path) -> None:
    card = read_card(zoo_models()[stem])
    assert card is not None
    assert card.macs == read_program(zoo_models()[stem]).macs
    measured, count = accuracy(stem, card.dataset)
    assert (round(measured, 2), count) == (card.accuracy, card.samples)


@pytest.mark.parametrize(
    ("stem", "macs", "flash_weights_bytes", "samples", "accuracy"),
    [
        ("kws_s", 2_660_000, 30_000, 4890, 95.5),
        ("kws_xs", 700_000, 12_000, 4890, 93.0),
        ("kws_xxs", 250_000, 33_000, 4890, 92.5),
        ("cifar_hybrid", 12_500_000, 90_000, 1017, 87.5),
    ],
)
def test_students_are_as_good_and_as_small_as_they_are_said_to_be(
    stem: str, macs: int, flash_weights_bytes: int, samples: int, accuracy: float
) -> None:
    card = read_card(zoo_models()[stem])
    assert card is not None and card.measured is not None
    assert card.samples == samples
    assert card.accuracy >= accuracy
    assert card.macs <= macs
    assert card.measured.flash_weights_bytes <= flash_weights_bytes


@pytest.mark.parametrize("stem", STUDENTS)
def test_a_card_says_what_the_baseline_measured(stem: str) -> None:
    card = read_card(zoo_models()[stem])
    assert card is not None and card.measured is not None
    [row] = [row for row in read_document(BASELINE).rows if row.model == stem]
    assert row.model_sha256 == card.sha256
    sizes = ("flash_weights_bytes", "flash_total_bytes", "ram_total_bytes")
    assert {name: getattr(row, name) for name in sizes} == {name: getattr(card.measured, name) for name in sizes}
    for name in ("instructions", "cycles"):  # a softmax takes some more or less, by what it is given
        assert getattr(row, name) == pytest.approx(getattr(card.measured, name), rel=1e-3)


@pytest.mark.parametrize("stem", [stem for stem in STUDENTS if stem.startswith("kws_")])
def test_synthetic_speech_is_understood(stem: str) -> None:
    measured, count = accuracy(stem, "synthetic")
    assert count == 48
    assert measured > 75  # by chance: 8.3
