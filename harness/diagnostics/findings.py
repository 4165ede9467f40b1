"""Everything that is found out about a teacher on one set of items."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnostics.calibration import Calibration, best_temperature, calibration
from harness.diagnostics.disagreement import Agreement, Disagreement, agreement, disagreements, pairs
from harness.diagnostics.similarity import Pair, similarity, strongest
from harness.diagnostics.softmax import Array, Labels, softmax
from harness.diagnostics.softness import Softness, softness


@dataclass(frozen=True)
class Beside:
    """A student beside its teacher.

    Attributes:
        accuracy: of the student, percent.
        agreement: how often they differ, and who is right then.
        pairs: (teacher's answer, student's answer, items), the commonest first.
        disagreements: the largest divergence first.
    """

    accuracy: float
    agreement: Agreement
    pairs: tuple[tuple[int, int, int], ...]
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class Findings:
    """What is found out about a teacher.

    Attributes:
        items: that it was shown.
        accuracy: percent.
        as_it_is: its calibration at T = 1.
        scaled: its calibration at the temperature that fits best.
        softness: of the soft targets, by temperature.
        similarity: rows of true classes, None in that of a class without items.
        similarity_temperature: T of the similarity.
        likest: the strongest pairs of classes in it.
        student: beside it, None where none was named.
    """

    items: int
    accuracy: float
    as_it_is: Calibration
    scaled: Calibration
    softness: tuple[Softness, ...]
    similarity: tuple[tuple[float | None, ...], ...]
    similarity_temperature: float
    likest: tuple[Pair, ...]
    student: Beside | None = None


def examine(
    logits: NDArray[Any], labels: Labels, temperature: float, student: Array | None = None, floor: float = 1e-9
) -> Findings:
    """Return what there is to find.

    Args:
        logits: the teacher's (n, classes), n at least 1, at least two classes.
        labels: (n,).
        temperature: of the similarity of the classes, above 0.
        student: its probabilities (n, classes), None for none.
        floor: of them, as `disagreement.kl_bits` takes it.
    """
    logits = np.asarray(logits, np.float64)
    matrix = similarity(softmax(logits, temperature), labels)
    return Findings(
        items=len(labels),
        accuracy=_accuracy(logits, labels),
        as_it_is=calibration(logits, labels),
        scaled=calibration(logits, labels, best_temperature(logits, labels)),
        softness=softness(logits, labels),
        similarity=tuple(tuple(None if np.isnan(share) else float(share) for share in row) for row in matrix),
        similarity_temperature=temperature,
        likest=strongest(matrix),
        student=None if student is None else _beside(softmax(logits), student, labels, floor),
    )


def _beside(teacher: Array, student: Array, labels: Labels, floor: float) -> Beside:
    found = disagreements(teacher, student, labels, floor)
    return Beside(_accuracy(student, labels), agreement(found, len(labels)), pairs(found), found)


def _accuracy(scores: Array, labels: Labels) -> float:
    return 100 * float((scores.argmax(axis=1) == labels).mean())
