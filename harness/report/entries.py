"""What a report shows: the rows of one or several runs, each with all that belongs to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.report import words
from harness.rows.measurement import Confusion, Document, Layer, Row


@dataclass(frozen=True)
class Limits:
    """What a program may use of a board, bytes."""

    flash_bytes: int
    ram_bytes: int


@dataclass(frozen=True)
class Source:
    """A run and the name it is shown by, which no other run of the report has."""

    name: str
    document: Document


@dataclass(frozen=True)
class Entry:
    """A row, and what belongs to it.

    Attributes:
        row: the measurement.
        layers: in their order; () where they are unknown.
        confusion: None for data without labels.
        run: the name of its run.
        limits: of its board, None where the board is unknown.
        label: tells it from the other rows of its board: the model, where needed with objective and run.
    """

    row: Row
    layers: tuple[Layer, ...]
    confusion: Confusion | None
    run: str
    limits: Limits | None
    label: str

    @property
    def place(self) -> str:
        """Return where the row was made: `nano33 (qemu)`."""
        return words.place(self.row)


def entries_of(sources: Sequence[Source], limits: Mapping[str, Limits]) -> tuple[Entry, ...]:
    """Return the rows of all runs, in the order of the runs.

    Args:
        sources: the runs; rows of two runs may have the same row_id.
        limits: board -> what a program may use of it.
    """
    rows = [row for source in sources for row in source.document.rows]
    several_objectives = len({row.optimise for row in rows}) > 1
    several_runs = len(sources) > 1

    def label(row: Row, run: str) -> str:
        parts = [row.model, row.optimise if several_objectives else None, run if several_runs else None]
        return " · ".join(words.plain(part) for part in parts if part)

    return tuple(
        Entry(
            row,
            _layers(row, source.document.layers),
            _confusion(row, source.document),
            source.name,
            limits.get(row.board or ""),
            label(row, source.name),
        )
        for source in sources
        for row in source.document.rows
    )


def _layers(row: Row, layers: Iterable[Layer]) -> tuple[Layer, ...]:
    mine = {layer.index: layer for layer in layers if layer.row_id == row.row_id}
    return tuple(mine[index] for index in sorted(mine))


def _confusion(row: Row, document: Document) -> Confusion | None:
    return document.confusions.get(row.row_id) or (document.confusion if len(document.rows) == 1 else None)
