"""Everything that a report on a teacher is made from, and the document of `harness inspect-teacher --json`."""

from dataclasses import dataclass
from typing import Any

from harness.diagnostics.calibration import Calibration
from harness.diagnostics.disagreement import Disagreement
from harness.diagnostics.findings import Beside, Findings

SCHEMA = 1


@dataclass(frozen=True)
class Shown:
    """A set of items that the teacher was shown.

    Attributes:
        name: of the set.
        findings: what was found.
        names: (n,) where each item comes from, () where that is not known.
    """

    name: str
    findings: Findings
    names: tuple[str, ...] = ()

    def item(self, index: int) -> str:
        """Return the name of an item, else its number."""
        return self.names[index] if self.names else f"item {index}"


@dataclass(frozen=True)
class Inspection:
    """A teacher, and what was found on each set of items.

    Attributes:
        teacher: its file's stem.
        teacher_sha256: of its file.
        task: kws, vision ...
        classes: in the order of the outputs.
        sets: at least one.
        student: stem of the student beside it, None for none.
        student_sha256: of its file.
        command: that made it.
        version: of the harness.
    """

    teacher: str
    teacher_sha256: str
    task: str
    classes: tuple[str, ...]
    sets: tuple[Shown, ...]
    student: str | None = None
    student_sha256: str | None = None
    command: str = ""
    version: str = ""

    def document(self) -> dict[str, Any]:
        """Return the document; shares and errors are 0 to 1, accuracies percent, unknown is None."""
        from harness.report.inspection.advice import advice

        head = ("teacher", "teacher_sha256", "student", "student_sha256", "task", "command", "version")
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in head},
            "classes": list(self.classes),
            "sets": [_set(shown, self.classes) | {"advice": advice(shown, self)} for shown in self.sets],
        }


def _set(shown: Shown, classes: tuple[str, ...]) -> dict[str, Any]:
    found = shown.findings
    return {
        "name": shown.name,
        "items": found.items,
        "accuracy": found.accuracy,
        "calibration": {"as_it_is": _calibration(found.as_it_is), "scaled": _calibration(found.scaled)},
        "softness": [vars(each) for each in found.softness],
        "similarity": {
            "temperature": found.similarity_temperature,
            "matrix": [list(row) for row in found.similarity],
            "likest": [
                {"true": classes[pair.true], "other": classes[pair.other], "share": pair.share} for pair in found.likest
            ],
        },
        "student": None if found.student is None else _student(found.student, shown, classes),
    }


def _calibration(found: Calibration) -> dict[str, Any]:
    return {
        "temperature": found.temperature,
        "ece": found.error,
        "nll": found.loss,
        "bins": [vars(each) for each in found.bins],
    }


def _student(found: Beside, shown: Shown, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        **vars(found.agreement),
        "differ": found.agreement.differ,
        "pairs": [
            {"teacher": classes[theirs], "student": classes[ours], "items": items}
            for theirs, ours, items in found.pairs
        ],
        "disagreements": [line(each, shown, classes) for each in found.disagreements],
    }


def line(found: Disagreement, shown: Shown, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return a disagreement by the names of its item and its classes: a line of disagreements.csv."""
    return {
        "item": shown.item(found.item),
        "label": classes[found.label],
        "teacher": classes[found.teacher],
        "teacher_probability": round(found.teacher_probability, 6),
        "student": classes[found.student],
        "student_probability": round(found.student_probability, 6),
        "kl_bits": round(found.kl_bits, 6),
    }


def table(inspection: Inspection) -> str:
    """Return all disagreements of all sets as CSV with a heading, the largest divergence of each set first."""
    import pandas

    lines = [
        {"set": shown.name} | line(each, shown, inspection.classes)
        for shown in inspection.sets
        if shown.findings.student is not None
        for each in shown.findings.student.disagreements
    ]
    heading = ["set", "item", "label", "teacher", "teacher_probability", "student", "student_probability", "kl_bits"]
    return str(pandas.DataFrame(lines, columns=heading).to_csv(index=False, lineterminator="\n"))
