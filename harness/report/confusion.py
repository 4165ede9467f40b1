"""A confusion matrix for a terminal: a row a true class, a column an answer, the darker the more often."""

from rich import box
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from harness.report import words
from harness.report.terminal import WIDTH
from harness.rows.measurement import Confusion

_LABEL = 14
"""Widest name of a row, characters."""
_MOST_PAIRS = 20
_RIGHT, _WRONG = (38, 110, 190), (200, 60, 40)
"""Colours (red, green, blue) of a cell that holds every sample of its row."""
_PAPER = (255, 255, 255)


def matrix(confusion: Confusion) -> RenderableType:
    """Return the matrix as a table of counts, each cell shaded by its share of its row, at most 120 wide.

    Too many classes for names at the columns get numbers; too many for these, a list of the commonest mistakes.
    """
    names = [words.short(words.plain(label), _LABEL) for label in confusion.labels]
    numbers = [str(index) for index in range(len(names))]
    if _width(confusion, names, names) <= WIDTH:
        return Group(_title(), _table(confusion, names, names))
    numbered = [f"{number} {name}" for number, name in zip(numbers, names, strict=True)]
    if _width(confusion, numbered, numbers) <= WIDTH:
        return Group(_title(), _table(confusion, numbered, numbers))
    return Group(
        Text("the matrix is wider than a terminal (draw it with --plot FILE.png); the commonest mistakes:", "dim"),
        _mistakes(confusion),
    )


def shade(share: float, right: bool) -> tuple[int, int, int]:
    """Return the colour (red, green, blue) of a cell: white for none of its row, full for all of it."""
    full = _RIGHT if right else _WRONG
    red, green, blue = (round(paper + (ink - paper) * share) for paper, ink in zip(_PAPER, full, strict=True))
    return red, green, blue


def is_dark(colour: tuple[int, int, int]) -> bool:
    """Tell whether white writing reads better on a colour than black (Rec. 601 luma)."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140


def _title() -> Text:
    return Text("confusion: rows are the true class, columns the answer", "dim")


def _width(confusion: Confusion, rows: list[str], columns: list[str]) -> int:
    """Return how wide the table will be: each cell has a space at both sides."""
    cells = [
        max(len(column), *(len(str(row[index])) for row in confusion.matrix)) + 2
        for index, column in enumerate(columns)
    ]
    return max(map(len, rows), default=0) + 2 + sum(cells)


def _table(confusion: Confusion, rows: list[str], columns: list[str]) -> Table:
    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0), collapse_padding=True)
    for column in columns:
        table.add_column(Text(f"{column} "), justify="right", no_wrap=True)
    for true, (name, counts) in enumerate(zip(rows, confusion.matrix, strict=True)):
        total = max(sum(counts), 1)
        cells = (_cell(count, count / total, answer == true) for answer, count in enumerate(counts))
        table.add_row(Text(f"{name} "), *cells)
    return table


def _cell(count: int, share: float, right: bool) -> Text:
    if not count:
        return Text(" . ", "dim")
    colour = shade(share, right)
    red, green, blue = colour
    ink = "white" if is_dark(colour) else "black"
    return Text(f" {count} ", Style.parse(f"{ink} on rgb({red},{green},{blue})"))


def mistakes(confusion: Confusion) -> list[tuple[int, str, str]]:
    """Return (samples, true class, answer) of the classes that are taken for each other most, at most 20."""
    pairs = [
        (count, true, answer)
        for true, counts in enumerate(confusion.matrix)
        for answer, count in enumerate(counts)
        if count and true != answer
    ]
    labels = confusion.labels
    return [(count, labels[true], labels[answer]) for count, true, answer in sorted(pairs, reverse=True)[:_MOST_PAIRS]]


def _mistakes(confusion: Confusion) -> Table:
    table = Table("true class", "answer", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("samples", justify="right")
    for count, *labels in mistakes(confusion):
        table.add_row(*(Text(words.short(words.plain(label), 40)) for label in labels), words.count(count))
    return table
