"""A confusion matrix as a figure. matplotlib is imported when a figure is drawn: it takes a second to load."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.report import words
from harness.report.confusion import is_dark, shade
from harness.rows.measurement import Confusion

SUFFIXES = (".png", ".svg")

_CELL = 0.42
"""Inches."""
_LABEL = 24
"""Widest name of a class, characters."""
_WRITTEN = 40
"""Most classes whose counts are written into the cells."""


def check_plot(path: Path, option: str = "--plot") -> None:
    """Refuse a file that no figure can be written to, before the work for it is done; `option` is what named it.

    Raises:
        UserError: it ends in neither .png nor .svg, or its folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"expected {option} FILE{' or FILE'.join(SUFFIXES)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise UserError(f"expected {option} with a file in a folder that exists, got {path}: make {path.parent} first")


def plot_confusion(confusion: Confusion, title: str, path: Path) -> None:
    """Draw a confusion matrix, and the recall of every class at its right; the file is there whole or not at all.

    Args:
        confusion: the counts.
        title: above the figure.
        path: as `check_plot` allows; a file that is there is replaced.
    """
    save(lambda: confusion_figure(confusion, title), path)


def save(figure: Callable[[], Any], path: Path) -> None:
    """Draw what `figure` returns (a matplotlib Figure); the file is there whole or not at all.

    Args:
        figure: makes the figure, with the project's settings.
        path: as `check_plot` allows; a file that is there is replaced.
    """
    import matplotlib

    # No `$` in a class's name becomes a formula; an SVG is the same bytes each time, its writing stays writing.
    settings = {"text.parse_math": False, "svg.hashsalt": "harness", "svg.fonttype": "none", "font.size": 8}
    kind = path.suffix.lower().removeprefix(".")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with matplotlib.rc_context(settings):
            metadata = {"Date": None} if kind == "svg" else None
            figure().savefig(partial, format=kind, dpi=160, metadata=metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def confusion_figure(confusion: Confusion, title: str) -> Any:
    """Return a confusion matrix as a matplotlib figure, the recall of every class at its right."""
    from matplotlib.figure import Figure

    count = len(confusion.labels)
    labels = [words.short(words.plain(label), _LABEL) for label in confusion.labels]
    figure = Figure(figsize=(2.6 + _CELL * count, 1.9 + _CELL * count), layout="constrained")
    axes = figure.add_subplot()
    totals = [max(sum(row), 1) for row in confusion.matrix]
    colours = [
        [shade(n / total, true == answer) for answer, n in enumerate(row)]
        for true, (row, total) in enumerate(zip(confusion.matrix, totals, strict=True))
    ]
    axes.imshow(colours)
    if count <= _WRITTEN:
        for true, row in enumerate(confusion.matrix):
            for answer, n in enumerate(row):
                ink = "white" if is_dark(colours[true][answer]) else "black"
                axes.text(answer, true, str(n) if n else "", ha="center", va="center", color=ink, size=7)
    axes.set_xticks(range(count), labels, rotation=90)
    recall = ["-" if percent is None else f"{percent:.1f} %" for _, percent, _ in confusion.recall()]
    axes.set_yticks(range(count), labels)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(count), recall)
    right.set_ylabel("recall")
    axes.set(title=words.plain(title), xlabel="answer", ylabel="true class")
    return figure
