import math

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rows.frames import layers_frame, matrix_frame, recall_frame, rows_frame
from harness.rows.measurement import Confusion, Document, Layer, Row, columns, numeric_columns
from tests.rows.examples import make_row

INTEGERS = {"macs", "clock_hz", "flash_total_bytes", "ram_total_bytes", "instructions", "cycles", "samples"}
NUMBERS = {"latency_ms", "latency_low_ms", "accuracy", "energy_uj", "card_accuracy", "seconds"}


def test_the_columns_are_those_of_the_contracts() -> None:
    frame = rows_frame([make_row()])
    assert tuple(frame.columns) == columns()
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert {name for name, kind in kinds.items() if kind in ("Int64", "float64")} == set(numeric_columns())
    assert {kinds[name] for name in INTEGERS} == {"Int64"}
    assert {kinds[name] for name in NUMBERS} == {"float64"}
    assert {kinds[name] for name in set(kinds) - set(numeric_columns())} == {"string"}


@pytest.mark.parametrize("rows", [[], [make_row(instructions=None, latency_ms=None, error=None)], [make_row()] * 2])
def test_the_types_do_not_hang_on_the_values(rows: list[Row]) -> None:
    assert rows_frame(rows).dtypes.equals(rows_frame([make_row()]).dtypes)
    assert len(rows_frame(rows)) == len(rows)


def test_unknown_is_na_and_never_zero() -> None:
    frame = rows_frame([make_row(instructions=None, accuracy=None, dataset=None), make_row(instructions=0)])
    assert frame["instructions"].isna().tolist() == [True, False]
    assert frame["instructions"][1] == 0
    assert math.isnan(frame["accuracy"][0])
    assert frame["dataset"][0] is pandas.NA


@settings(max_examples=25, deadline=None)  # a frame takes some milliseconds
@given(st.integers(min_value=0, max_value=2**62), st.floats(0, 1e300), st.text())
def test_values_come_back_as_they_were(count: int, accuracy: float, name: str) -> None:
    line = rows_frame([make_row(instructions=count, accuracy=accuracy, model=name)]).iloc[0]
    assert (line["instructions"], line["accuracy"], line["model"]) == (count, accuracy, name)


def test_layers() -> None:
    layers = [Layer(row_id="a", index=0, name="x", op="ADD", macs=None), Layer(row_id="a", index=1, name="y", op="ADD")]
    frame = layers_frame(layers)
    assert [*frame.columns] == ["row_id", "index", "name", "op", "macs", "instructions", "cycles"]
    assert [str(kind) for kind in frame.dtypes] == ["string", "Int64", "string", "string", "Int64", "Int64", "Int64"]
    assert layers_frame(()).dtypes.equals(frame.dtypes)


def test_confusion() -> None:
    confusion = Confusion(("yes", "no", "never"), ((3, 1, 0), (0, 2, 0), (0, 0, 0)))
    matrix = matrix_frame(confusion)
    assert (matrix.index.name, matrix.columns.name) == ("true", "answer")
    assert (matrix.loc["yes", "no"], matrix.loc["no", "yes"]) == (1, 0)
    recall = recall_frame(confusion)
    assert [*recall.columns] == ["label", "recall", "samples"]
    assert recall["recall"].tolist()[:2] == [75.0, 100.0]
    assert math.isnan(recall["recall"][2])
    assert recall["samples"].tolist() == [4, 2, 0]


def test_a_frame_of_a_document_read_back_is_the_same() -> None:
    document = Document((make_row(), make_row(board="other", accuracy=None)))
    pandas.testing.assert_frame_equal(
        rows_frame(document.rows), rows_frame(Document.from_json(document.to_json()).rows)
    )
