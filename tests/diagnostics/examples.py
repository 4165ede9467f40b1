"""An inspection that nobody made: two sets, a student on the first."""

import numpy as np

from harness.diagnostics.findings import examine
from harness.diagnostics.softmax import softmax
from harness.report.inspection.document import Inspection, Shown

CLASSES = ("yes", "no", "go", "unknown")


def inspection(
    classes: tuple[str, ...] = CLASSES, names: tuple[str, ...] = (), set_name: str = "words (validation)"
) -> Inspection:
    random = np.random.default_rng(7)
    labels = random.integers(len(classes), size=200)
    logits = random.normal(0, 1.5, (200, len(classes)))
    logits[np.arange(200), labels] += 4
    student = softmax(logits + random.normal(0, 2, logits.shape))
    shown = Shown(set_name, examine(logits, labels, 4.0, student, 1 / 512), names)
    alone = Shown("kws_x (training, view 0)", examine(2 * logits[:50], labels[:50], 2.0))
    return Inspection(
        teacher="wise", teacher_sha256="a" * 64, task="kws", classes=classes, sets=(shown, alone), student="small",
        student_sha256="b" * 64, command="harness inspect-teacher wise --student small", version="0.1.0",
    )  # fmt: skip
