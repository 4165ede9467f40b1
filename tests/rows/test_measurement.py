import json

import pytest

from harness.errors import UserError
from harness.rows.measurement import Confusion, Document, Layer, Row, columns, numeric_columns, row_id
from tests.rows.examples import SHA, make_row

CONTRACT = """
row_id status error model model_sha256 task macs macs_executed board mcu core clock_hz where emulator optimise engine
toolchain flags flash_weights_bytes flash_code_bytes flash_total_bytes ram_arena_bytes ram_static_bytes ram_stack_bytes
ram_total_bytes firmware_overhead_flash_bytes firmware_overhead_ram_bytes instructions cycles cycles_source
cycles_method latency_ms latency_low_ms latency_high_ms latency_source dataset samples accuracy metric
bit_exact_samples card_accuracy card_dataset card_samples energy_uj harness_version git_commit started seconds
"""


def test_the_columns_are_those_of_schema_1_in_their_order() -> None:
    assert columns() == tuple(CONTRACT.split())


def test_a_document_survives_json() -> None:
    row = make_row()
    layer = Layer(row_id=row.row_id, index=0, name="conv", op="CONV_2D", macs=1, instructions=2, cycles=3)
    confusion = Confusion(("yes", "no"), ((3, 1), (0, 2)))
    document = Document((row,), (layer,), confusion, {row.row_id: confusion}, "harness bench --board nano33")
    assert Document.from_json(document.to_json()) == document


def test_unknown_is_null_in_json() -> None:
    content = json.loads(Document((make_row(accuracy=None),)).to_json())
    assert content["schema"] == 1
    assert content["rows"][0]["accuracy"] is None
    assert content["rows"][0]["energy_uj"] is None
    assert list(content) == ["schema", "rows", "layers"]  # what a run has beside these is left out, not null


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "schema 1"),
        ('{"schema": 2, "rows": [], "layers": []}', "schema 1, got 2"),
        ('{"schema": 1, "layers": []}', "'rows'"),
        ('{"schema": 1, "rows": [3], "layers": []}', "object for each row"),
        ('{"schema": 1, "rows": [{"status": "ok"}], "layers": []}', "row_id"),
        ('{"schema": 1, "rows": [], "layers": [], "confusion": {"labels": 3}}', "confusion"),
        ('{"schema": 1, "rows": [], "layers": [], "confusion": {"labels": ["a"], "matrix": [[1, 2]]}}', "square"),
        ('{"schema": 1, "rows": [], "layers": [], "confusion": {"labels": ["a"], "matrix": [[-1]]}}', "square"),
        ('{"schema": 1, "rows": [], "layers": [], "confusion": {"labels": ["a"], "matrix": [[Infinity]]}}', "square"),
        ('{"schema": 1, "rows": [], "layers": [], "confusions": {"labels": ["a"]}}', "'confusions'"),
        ('{"schema": 1, "rows": [], "layers": [], "confusions": [3]}', "'confusions'"),
        ('{"schema": 1, "rows": [], "layers": [], "command": 3}', "'command'"),
    ],
)
def test_a_bad_document_is_the_users_mistake(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Document.from_json(text)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("instructions", 1.5),
        ("instructions", "9"),
        ("instructions", True),
        ("instructions", -1),
        ("accuracy", float("nan")),
        ("accuracy", float("inf")),
        ("board", 33),
        ("status", "fine"),
        ("where", "moon"),
    ],
)
def test_a_mistyped_value_is_refused(column: str, value: object) -> None:
    with pytest.raises(UserError, match=column):
        make_row(**{column: value})


def test_columns_of_a_newer_version_are_left_out() -> None:
    content = json.loads(Document((make_row(),)).to_json())
    content["rows"][0]["colour"] = "blue"
    del content["rows"][0]["energy_uj"]
    assert Document.from_json(json.dumps(content)).rows == (make_row(),)


def test_an_int_is_welcome_where_a_float_is() -> None:
    assert make_row(accuracy=90).accuracy == 90


def test_the_row_id_depends_on_what_was_measured_alone() -> None:
    assert make_row().row_id == make_row(started="2026-11-24", accuracy=None).row_id
    others = [("b" * 64, "n", "qemu", "ram", "gcc"), (SHA, "m", "qemu", "ram", "gcc"), (SHA, "n", "host", "ram", "gcc")]
    assert len({row_id(*key) for key in others}) == 3


def test_numeric_columns_are_those_that_hold_numbers() -> None:
    assert "instructions" in numeric_columns()
    assert "accuracy" in numeric_columns()
    assert "board" not in numeric_columns()


def test_recall_of_a_class_without_samples_is_unknown() -> None:
    confusion = Confusion(("yes", "no"), ((3, 1), (0, 0)))
    assert confusion.recall() == [("yes", 75.0, 4), ("no", None, 0)]


def test_a_row_needs_a_model() -> None:
    with pytest.raises(TypeError, match="model"):
        Row(row_id="1", status="ok", where="host")  # type: ignore[call-arg]
