"""One model on one board through all runs of a store."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import UserError
from harness.nearest import did_you_mean
from harness.rows.compare import Change
from harness.rows.direction import Judgement, judge
from harness.rows.measurement import Row
from harness.rows.store import Store, StoredRun

COLUMNS = ("instructions", "cycles", "flash_total_bytes", "ram_total_bytes", "accuracy")
"""What the history follows."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """How one column moved since the entry before."""

    change: Change
    judgement: Judgement


@dataclass(frozen=True)
class Entry:
    """A row of a run, and what changed since the last good row of the same series.

    Attributes:
        run: the name of the run's folder.
        row: as it was stored.
        first: whether there is no good row of its series before it.
        steps: the columns that changed; empty for a failed row.
    """

    run: str
    row: Row
    first: bool
    steps: tuple[Step, ...]


def series(row: Row) -> tuple[str, str]:
    """Return what only rows of the same kind share: where they were made, and what the compiler favoured."""
    return row.where, row.optimise or ""


def started(row: Row) -> datetime:
    """Return when a row was made; a row that does not say so comes before all others."""
    try:
        moment = datetime.fromisoformat(row.started or "")
    except ValueError:
        return _LONG_AGO
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def newest(runs: Iterable[StoredRun]) -> StoredRun | None:
    """Return the run that was started last; of two in the same second the one whose name comes last."""
    return max(
        runs,
        key=lambda run: (max(map(started, run.document.rows), default=_LONG_AGO), run.folder.name),
        default=None,
    )


def history(store: Store, model: str, board: str, where: str | None = None) -> tuple[Entry, ...]:
    """Return the rows of a model on a board in the order they were made.

    Args:
        store: the runs.
        model: the stem of its file.
        board: a board's name.
        where: qemu, hardware ...; None for all.

    Raises:
        UserError: no such row; names the nearest model or board that the store has.
    """
    rows = [(run.folder.name, row) for run in store.runs for row in run.document.rows]
    _check("board", board, {row.board for _, row in rows if row.board})
    _check("model", model, {row.model for _, row in rows})
    found = [(run, row) for run, row in rows if (row.model, row.board) == (model, board)]
    if not found:
        others = {row.board or "host" for _, row in rows if row.model == model}
        raise UserError(f"expected rows of {model} on {board}, the store has it on {', '.join(sorted(others))} only")
    if where is not None:
        _check("place", where, {row.where for _, row in found})
        found = [(run, row) for run, row in found if row.where == where]
    return tuple(_entries(sorted(found, key=lambda one: (started(one[1]), one[0]))))


def _entries(rows: Iterable[tuple[str, Row]]) -> Iterable[Entry]:
    last: dict[tuple[str, str], Row] = {}
    for run, row in rows:
        before = last.get(series(row))
        failed = row.status == "failed"
        yield Entry(run, row, before is None, () if failed or before is None else _steps(before, row))
        if not failed:
            last[series(row)] = row


def _steps(before: Row, row: Row) -> tuple[Step, ...]:
    changes = (Change((), column, getattr(before, column), getattr(row, column)) for column in COLUMNS)
    return tuple(Step(change, judge(before, row, change.column)) for change in changes if change.old != change.new)


def _check(what: str, name: str, known: set[str]) -> None:
    if name not in known:
        some = sorted(known)
        names = ", ".join(some[:10]) + (f" and {len(some) - 10} more" if len(some) > 10 else "")
        raise UserError(f"no run has the {what} {name!r}: expected one of {names or 'none'}{did_you_mean(name, some)}")
