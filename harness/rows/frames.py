"""Rows as pandas frames: the contracts' columns, whole numbers whole beside unknown ones.

A column of whole numbers is `Int64`, of other numbers `float64`, of text `string`; unknown is NA (NaN), never zero.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from harness.rows.measurement import Confusion, Layer, Row

if TYPE_CHECKING:
    import pandas


def rows_frame(rows: Sequence[Row]) -> "pandas.DataFrame":
    """Return one line a row, the columns in the order of the contracts."""
    return _frame(Row, rows)


def layers_frame(layers: Sequence[Layer]) -> "pandas.DataFrame":
    """Return one line a layer; `row_id` says whose it is."""
    return _frame(Layer, layers)


def recall_frame(confusion: Confusion) -> "pandas.DataFrame":
    """Return one line a class: `label`, `recall` (percent, NaN without samples) and `samples`."""
    import pandas

    found = pandas.DataFrame(confusion.recall(), columns=["label", "recall", "samples"])
    return found.astype({"label": "string", "recall": "float64", "samples": "Int64"})


def matrix_frame(confusion: Confusion) -> "pandas.DataFrame":
    """Return the counts, the true classes down and the answers across."""
    import pandas

    index, columns = pandas.Index(confusion.labels, name="true"), pandas.Index(confusion.labels, name="answer")
    return pandas.DataFrame(confusion.matrix, index=index, columns=columns, dtype="int64")


def _frame(kind: type[Row] | type[Layer], records: Sequence[Any]) -> "pandas.DataFrame":
    import pandas

    hints = get_type_hints(kind)
    types = {field.name: _dtype(hints[field.name]) for field in fields(kind)}
    found = pandas.DataFrame([asdict(record) for record in records], columns=[*types], dtype=object)
    return found.astype(types)


def _dtype(hint: Any) -> str:
    """Return the type of a column by that of its values."""
    return "Int64" if hint in (int, int | None) else "float64" if hint in (float, float | None) else "string"
