"""What `harness bench` leaves: a run in its folder, for a program to look at and for a notebook to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EnvironmentFailure, Interrupted
from harness.rows.measurement import Confusion, Document, Layer, Row

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Run:
    """A run that was written to its folder; shown as a table in a notebook.

    Attributes:
        document: what `rows.json` holds.
        folder: with `rows.json`, `report.html` and the ELF files.
        failures: why rows failed.
        interrupted: whether the user stopped it; the rows finished so far are there.
    """

    document: Document
    folder: Path
    failures: tuple[Exception, ...] = ()
    interrupted: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """One measurement for each model and board; units are in the names of the columns."""
        return self.document.rows

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of all rows; `row_id` says whose each is."""
        return self.document.layers

    @property
    def confusions(self) -> Mapping[str, Confusion]:
        """What was taken for what, by `row_id`, of the rows whose data has labels."""
        return self.document.confusions

    def frame(self) -> "pandas.DataFrame":
        """Return the rows as a frame: one line a row, the columns of `rows.json`, unknown is NA."""
        from harness.rows.frames import rows_frame

        return rows_frame(self.rows)

    def layer_frame(self) -> "pandas.DataFrame":
        """Return the layers as a frame: row_id, index, name, op, macs, instructions, cycles."""
        from harness.rows.frames import layers_frame

        return layers_frame(self.layers)

    def check(self) -> None:
        """Raise what the command must end with when not every row is fine.

        Raises:
            Interrupted: the user stopped it.
            EnvironmentFailure: a row failed; names each and why.
        """
        rows = self.rows
        if self.interrupted:
            done = sum(row.status == "ok" for row in rows)
            raise Interrupted(f"interrupted: {done} finished rows are kept in {self.folder}")
        failed = [row for row in rows if row.status != "ok"]
        if failed:
            reasons = "; ".join(f"{row.model} on {row.board}: {row.error}" for row in failed)
            cause = ExceptionGroup("rows failed", self.failures) if self.failures else None
            raise EnvironmentFailure(f"{len(failed)} of {len(rows)} rows failed: {reasons}") from cause

    def __repr__(self) -> str:
        """Return the table that the terminal shows, without colours."""
        from harness.report.terminal import plain_summary

        return f"{plain_summary(self.document)}\nwritten to {self.folder}"

    def _repr_html_(self) -> str:
        from harness.report.notebook import table

        return table(self.document, f"written to {self.folder}")
