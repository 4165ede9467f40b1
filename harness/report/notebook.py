"""A run as a table in a notebook: what the terminal shows, as HTML that takes the notebook's own colours."""

from pathlib import Path

from harness.report import terminal, words
from harness.rows.measurement import Document, Row

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def table(document: Document, title: str) -> str:
    """Return the rows and their notes as one HTML element; names from other people's files are escaped.

    Args:
        document: the run.
        title: the table's caption.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("notebook.html.j2").render(
        title=words.plain(title),
        heads=[name for name, _ in terminal.COLUMNS],
        rows=[_row(row) for row in document.rows],
        notes=[*map(words.plain, terminal.notes(document))],
    )


def _row(row: Row) -> dict[str, object]:
    """Return what the template shows of a row; a figure that no board gave is marked."""
    cells = [
        (write(row), name == "latency" and words.is_estimated(row, "latency_ms")) for name, write in terminal.COLUMNS
    ]
    model = row.model if row.status == "ok" else f"{row.model} ({row.status})"
    return {"model": words.plain(model), "place": words.plain(words.place(row)), "cells": cells}
