"""What the zoo's students get right, in TensorFlow Lite Micro's arithmetic."""

import sys
from pathlib import Path

import pytest

from harness.compiler import read_program
from harness.oracle import Oracle
from harness.tasks import TASKS, ModelInput, load, metrics, read_card, zoo_models

STUDENTS = sorted(zoo_models())


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


def test_the_first_student_is_as_good_as_was_asked_for() -> None:
    card = read_card(zoo_models()["kws_dscnn_s"])
    assert card is not None
    assert card.samples == 4890
    assert card.accuracy >= 94.0
    assert card.macs <= 2_700_000


def test_synthetic_speech_is_understood() -> None:
    measured, count = accuracy("kws_dscnn_s", "synthetic")
    assert count == 48
    assert measured > 75  # by chance: 8.3
