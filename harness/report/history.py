"""The history of a model on a board: a table for a terminal, and a figure. matplotlib is imported when it draws."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import words
from harness.report.plot import save
from harness.rows.history import Entry, Step, series
from harness.rows.measurement import Row

_PANELS = (
    ("instructions", "instructions"),
    ("flash_total_bytes", "flash, bytes"),
    ("ram_total_bytes", "RAM, bytes"),
    ("accuracy", "accuracy, %"),
)
_TICKS = 24
"""Most commits named below the figure."""
_SHORT = {"flash_total_bytes": "flash", "ram_total_bytes": "RAM"}


def table(entries: Sequence[Entry]) -> RenderableType:
    """Return one line a run, and what changed since the line before it of the same kind."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("commit", "date"):
        found.add_column(name, no_wrap=True)
    found.add_column("where", overflow="fold", max_width=9)
    for name in ("instructions", "cycles", "flash B", "RAM B", "accuracy"):
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("change", overflow="fold", min_width=30)
    for entry in entries:
        row = entry.row
        found.add_row(
            *(Text(words.plain(cell)) for cell in (commit(row), _date(row), _series(row))),
            words.count(row.instructions),
            words.cycles(row),
            words.count(row.flash_total_bytes),
            words.count(row.ram_total_bytes),
            words.accuracy(row),
            Text(_change(entry)),
        )
    rows = [entry.row for entry in entries]
    lines = [Text(words.plain(_title(rows)), style="bold")]
    notes = [Text(words.EMULATED_NOTE, style="dim")] if any(map(words.is_emulated, rows)) else []
    return Group(*lines, found, *notes)


def draw(entries: Sequence[Entry], path: Path) -> None:
    """Draw instructions, flash, RAM and accuracy over the commits; the file is there whole or not at all.

    Args:
        entries: in their order.
        path: ends in .png or .svg.
    """
    save(lambda: _figure(entries), path)


def commit(row: Row) -> str:
    """Write the commit a row was made at: its first 8 digits, `+` with uncommitted changes."""
    if row.git_commit is None:
        return words.UNKNOWN
    return row.git_commit[:8] + ("+" if row.git_commit.endswith("-dirty") else "")


def _date(row: Row) -> str:
    return words.UNKNOWN if row.started is None else row.started[:10]


def _series(row: Row) -> str:
    return ", ".join(filter(None, series(row)))


def _title(rows: Sequence[Row]) -> str:
    emulated = " (emulated: an estimate)" if any(map(words.is_emulated, rows)) else ""
    return f"{words.short(rows[0].model)} on {rows[0].board}{emulated}"


def _change(entry: Entry) -> str:
    if entry.row.status != "ok":
        return words.plain(f"{entry.row.status}: {words.short(entry.row.error or 'no reason given', 80)}")
    if entry.first:
        return "first"
    return "\n".join(map(_step, entry.steps)) or "same"


def _step(step: Step) -> str:
    change = step.change
    name = _SHORT.get(change.column, change.column)
    if change.old is None:
        return f"{name} is now known"
    if change.amount is None:
        amount = "became unknown,"
    elif change.column == "accuracy":
        amount = f"{change.amount:+.2f} points"
    else:
        amount = f"{change.amount:+,}" if change.old == 0 else f"{change.percent:+.2f} %"
    note = "other data" if change.column == "accuracy" and step.judgement == "changed" else step.judgement
    return f"{name} {amount} {note}"


def _figure(entries: Sequence[Entry]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    figure = Figure(figsize=(max(6.0, min(14.0, 2 + 0.4 * len(entries))), 7.5), layout="constrained")
    panels = figure.subplots(len(_PANELS), sharex=True)
    for axes, (column, label) in zip(panels, _PANELS, strict=True):
        for kind in dict.fromkeys(series(entry.row) for entry in entries):
            _line(axes, entries, kind, column)
        for x, entry in enumerate(entries):
            if entry.row.status == "failed":
                axes.axvline(x, color="0.6", linestyle=":")
        axes.set_ylabel(label)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axes.grid(axis="y", color="0.9")
        axes.margins(y=0.25)
    step = -(-len(entries) // _TICKS)
    ticks = range(0, len(entries), step)
    panels[-1].set_xticks(ticks, [_tick(entries[x].row) for x in ticks], rotation=90)
    panels[-1].set_xlabel("commit")
    panels[0].legend(loc="best", frameon=False)
    figure.suptitle(words.plain(_title([entry.row for entry in entries])))
    return figure


def _line(axes: Any, entries: Iterable[Entry], kind: tuple[str, str], column: str) -> None:
    points = [(x, entry.row) for x, entry in enumerate(entries) if series(entry.row) == kind]
    values = [getattr(row, column) if row.status != "failed" else None for _, row in points]
    label = words.plain(_series(points[0][1])) + (" (estimate)" if words.is_emulated(points[0][1]) else "")
    numbers = [float("nan") if value is None else value for value in values]
    axes.plot([x for x, _ in points], numbers, marker="o", markersize=3, linewidth=1.2, label=label)


def _tick(row: Row) -> str:
    return f"{words.plain(commit(row))}{' failed' if row.status == 'failed' else ''}"
