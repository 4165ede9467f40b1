"""A teacher's findings for a terminal: sentences, the temperatures, the farthest disagreements."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import words
from harness.report.inspection.advice import advice, useful_temperatures
from harness.report.inspection.document import Inspection, Shown

_MOST = 8
"""Disagreements that are shown."""


def summary(inspection: Inspection) -> RenderableType:
    """Return what was found on each set, at most 120 wide."""
    parts: list[RenderableType] = []
    for shown in inspection.sets:
        found = shown.findings
        head = f"{inspection.teacher}: {found.accuracy:.2f} % of {found.items:,} items of {shown.name}"
        parts.append(Text(words.plain(head), style="bold"))
        parts += [Text(f"- {words.plain(sentence)}") for sentence in advice(shown, inspection)]
        parts.append(_temperatures(shown, len(inspection.classes)))
        if found.student is not None and found.student.disagreements:
            parts.append(_disagreements(shown, inspection))
    return Group(*parts)


def _temperatures(shown: Shown, classes: int) -> Table:
    useful = useful_temperatures(shown.findings, classes)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("T", "entropy, bits", "right class", "runner-up"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in shown.findings.softness:
        cells = (f"{each.temperature:g}", f"{each.entropy_bits:.3f}", f"{each.right:.4f}", f"{each.runner_up:.4f}")
        table.add_row(*cells, style="bold" if each.temperature in useful else "")
    return table


def _disagreements(shown: Shown, inspection: Inspection) -> Table:
    table = Table("item", "label", "teacher", "student", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("KL, bits", justify="right", no_wrap=True)
    assert shown.findings.student is not None
    for each in shown.findings.student.disagreements[:_MOST]:
        names = (inspection.classes[index] for index in (each.label, each.teacher, each.student))
        label, teacher, student = (words.short(words.plain(name), 16) for name in names)
        said = (f"{teacher} {each.teacher_probability:.2f}", f"{student} {each.student_probability:.2f}")
        item = _tail(words.plain(shown.item(each.item)), 48)
        table.add_row(*map(Text, (item, label, *said, f"{each.kl_bits:.2f}")))
    return table


def _tail(text: str, most: int) -> str:
    """Return the end of a path: the file's name is there."""
    return text if len(text) <= most else f"…{text[1 - most :]}"
