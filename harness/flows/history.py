"""`harness history`: one model on one board over the commits."""

from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.flows.settings import read_settings
from harness.report.progress import Speaker
from harness.rows.history import Entry, history
from harness.rows.store import read_store


def read_history(model: str, board: str, where: str | None, runs: Path | None, speaker: Speaker) -> tuple[Entry, ...]:
    """Read the history of a model on a board out of a store.

    Args:
        model: the file's stem, or the file.
        board: a board's name.
        where: qemu, hardware ...; None for all.
        runs: the store; None for that of the project.
        speaker: names the run folders that are damaged and left out.

    Raises:
        UserError: the store is empty or not there, or has no such row.
    """
    folder = runs or read_settings().runs
    store = read_store(folder)
    for line in store.damaged:
        speaker.shout(f"left out, damaged: {line}")
    if not store.runs:
        raise UserError(f"expected runs in {folder}, got none: run harness bench first, or name a store with --runs")
    return history(store, Path(model).stem if model.endswith(".tflite") else model, board, where)


def document(entries: tuple[Entry, ...]) -> dict[str, Any]:
    """Return the document of `history --json`: the rows in their order, each with its run and its changes."""
    rows = [
        {
            **vars(entry.row),
            "run": entry.run,
            "changes": [
                {"column": step.change.column, "old": step.change.old, "new": step.change.new,
                 "judgement": step.judgement}
                for step in entry.steps
            ],
        }
        for entry in entries
    ]  # fmt: skip
    return {"schema": 1, "rows": rows}
