"""The page about a teacher: one file that needs nothing else."""

from typing import Any

from harness.report.figures import as_svg
from harness.report.inline import inline
from harness.report.inspection.advice import advice, useful_temperatures
from harness.report.inspection.document import Inspection, Shown, line
from harness.report.inspection.figures import curves, largest
from harness.report.templates import render

_CELLS = 30
"""Most classes whose similarities are shown as a matrix."""
_MOST = 50
"""Disagreements that are listed; disagreements.csv has all."""
_PAIRS = 15
_DARK = 0.55
"""From this share of the largest a cell is so dark that its number is white."""


def page(inspection: Inspection) -> str:
    """Return the page."""
    return render(
        "inspection.html.j2",
        inspection=inspection,
        sets=[_section(shown, inspection, number) for number, shown in enumerate(inspection.sets, start=1)],
        most=_MOST,
        most_pairs=_PAIRS,
        most_cells=_CELLS,
    )


def _section(shown: Shown, inspection: Inspection, number: int) -> dict[str, Any]:
    """Return what the template shows of a set."""
    from markupsafe import Markup

    plots = [
        (plot.title, Markup(inline(as_svg(plot), f"plot{number}-{place}", plot.title, plot.description)))
        for place, plot in enumerate(curves(shown, inspection), start=1)
    ]
    student = shown.findings.student
    listed = (
        [] if student is None else [line(each, shown, inspection.classes) for each in student.disagreements[:_MOST]]
    )
    return {
        "shown": shown,
        "found": shown.findings,
        "advice": advice(shown, inspection),
        "useful": useful_temperatures(shown.findings, len(inspection.classes)),
        "plots": plots,
        "matrix": _matrix(shown, inspection.classes),
        "listed": listed,
    }


def _matrix(shown: Shown, classes: tuple[str, ...]) -> list[tuple[str, list[tuple[str, float, str]]]]:
    """Return (class, cells) of every row of the similarity; a cell is (percent, share of the largest, CSS class)."""
    most = largest(shown)
    rows = []
    for true, (name, shares) in enumerate(zip(classes, shown.findings.similarity, strict=True)):
        cells = []
        for other, share in enumerate(shares):
            depth = 0.0 if share is None else share / most
            kind = "own" if other == true else "w" + (" s" if depth > _DARK else "")
            cells.append(("" if share is None else f"{100 * share:.1f}", depth, kind))
        rows.append((name, cells))
    return rows
