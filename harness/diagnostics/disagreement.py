"""Where a student does not say what its teacher says."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.diagnostics.softmax import Array, Labels


@dataclass(frozen=True)
class Disagreement:
    """An item of which a teacher and a student give different answers.

    Attributes:
        item: its index.
        label: the right class.
        teacher: the teacher's answer, and with which probability.
        student: the student's.
        teacher_probability: 0 to 1.
        student_probability: 0 to 1.
        kl_bits: how far the student's distribution is from the teacher's.
    """

    item: int
    label: int
    teacher: int
    teacher_probability: float
    student: int
    student_probability: float
    kl_bits: float


@dataclass(frozen=True)
class Agreement:
    """How often two models give the same answer; counts of items.

    Attributes:
        items: in all.
        teacher_right: they differ, and the teacher is right.
        student_right: they differ, and the student is right.
        neither: they differ, and both are wrong.
    """

    items: int
    teacher_right: int
    student_right: int
    neither: int

    @property
    def differ(self) -> int:
        """How many items they give different answers of."""
        return self.teacher_right + self.student_right + self.neither


def kl_bits(teacher: Array, student: Array, floor: float) -> Array:
    """Return (n,) KL(p || q) = sum_j p_j log2(p_j / q_j) of (n, classes) each (Kullback and Leibler, 1951).

    Args:
        teacher: p.
        student: q.
        floor: least q_j, above 0, after which q is scaled to sum to 1: an int8 output says 0 of whatever is less than
            half its step, and the divergence would be infinite.
    """
    q = np.maximum(student, floor)
    q = q / q.sum(axis=1, keepdims=True)
    terms = teacher * (np.log2(np.where(teacher > 0, teacher, 1.0)) - np.log2(q))
    return np.asarray(np.maximum(terms.sum(axis=1), 0.0), np.float64)


def disagreements(teacher: Array, student: Array, labels: Labels, floor: float) -> tuple[Disagreement, ...]:
    """Return the items of which the answers (the largest probabilities) differ, the largest divergence first.

    Args:
        teacher: probabilities (n, classes).
        student: probabilities (n, classes).
        labels: (n,).
        floor: as `kl_bits` takes it.
    """
    theirs, ours = teacher.argmax(axis=1), student.argmax(axis=1)
    far = kl_bits(teacher, student, floor)
    chosen = np.flatnonzero(theirs != ours)
    return tuple(
        Disagreement(
            item=int(item),
            label=int(labels[item]),
            teacher=int(theirs[item]),
            teacher_probability=float(teacher[item].max()),
            student=int(ours[item]),
            student_probability=float(student[item].max()),
            kl_bits=float(far[item]),
        )
        for item in chosen[np.argsort(-far[chosen], kind="stable")]
    )


def agreement(found: tuple[Disagreement, ...], items: int) -> Agreement:
    """Return who is right where they differ, of so many items in all."""
    teacher = sum(each.teacher == each.label for each in found)
    student = sum(each.student == each.label for each in found)
    return Agreement(items, teacher, student, len(found) - teacher - student)


def pairs(found: tuple[Disagreement, ...]) -> tuple[tuple[int, int, int], ...]:
    """Return (teacher's answer, student's answer, items), the commonest first."""
    counts = Counter((each.teacher, each.student) for each in found)
    return tuple((*pair, count) for pair, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
