"""A CSV file of lines with a key: a line takes the place of the one with its key, and the others stay as they are.

The file is written whole or not at all, and by one process at a time.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.rows.partial import locked, write_file

Line = dict[str, str]
"""The text of each column; unknown is empty."""


@dataclass(frozen=True)
class Sheet:
    """What such a file holds.

    Attributes:
        columns: in their order.
        key: those of `columns` that name a line; lines are sorted by them, numbers as numbers.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]

    def line(self, values: Mapping[str, object]) -> Line:
        """Return the columns of a line as texts; None is empty."""
        return {name: "" if values[name] is None else str(values[name]) for name in self.columns}

    def read(self, path: Path) -> list[Line]:
        """Return the lines of a file, none where there is no file.

        Raises:
            UserError: it has other columns, or is no text.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"expected a CSV file at {path}, got: {error}") from error
        head = rows[0] if rows else []
        if head != list(self.columns) or any(len(row) != len(head) for row in rows):
            raise UserError(f"expected the columns {','.join(self.columns)} in {path}, got {','.join(head)}")
        return [dict(zip(head, row, strict=True)) for row in rows[1:]]

    def put(self, path: Path, lines: Iterable[Line]) -> None:
        """Put lines into a file, which is made where it is missing.

        Raises:
            UserError: as for `read`.
            OSError: the disk is full or cannot be written to; the file is as it was.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            found = {self._key(line): line for line in [*self.read(path), *lines]}
            write_file(path, self._text([found[key] for key in sorted(found)]))

    def _key(self, line: Line) -> tuple[tuple[bool, float, str], ...]:
        return tuple(_order(line[name]) for name in self.key)

    def _text(self, lines: Sequence[Line]) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()


def _order(value: str) -> tuple[bool, float, str]:
    return (False, int(value), value) if value.isdecimal() else (True, 0, value)


METHODS = Sheet(
    ("task", "student", "teacher", "method", "seed", "epochs", "dataset", "n", "accuracy", "train_seconds"),
    ("task", "student", "teacher", "method", "seed", "epochs", "dataset", "n"),
)
"""`results/distillation/methods.csv`: one line a training run."""
