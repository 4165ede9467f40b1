import json
from pathlib import Path

import pytest

from harness.rows.history import history
from harness.rows.measurement import Document
from harness.rows.store import append_run, read_store
from tests.command import assert_failed, harness
from tests.rows.examples import make_row


def moment(day: int) -> str:
    return f"2026-01-{day:02}T00:00:00+00:00"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a store whose runs lie in another order than they were made in."""
    store = tmp_path / "results" / "runs"
    rows = {
        "e": make_row(started=moment(1), git_commit="1" * 40),
        "d": make_row(started=moment(2), git_commit="2" * 40, instructions=9_300_000, flash_total_bytes=35_000),
        "c": make_row(
            started=moment(3), git_commit="3" * 40, status="failed", error="board\nsilent", instructions=None
        ),
        "b": make_row(started=moment(4), git_commit="4" * 40 + "-dirty", instructions=9_100_000, accuracy=90.6),
        "a": make_row(started=moment(5), git_commit="5" * 40, instructions=9_100_000, samples=9, accuracy=80.0),
        "x": make_row(started=moment(6), optimise="ram", instructions=12_000_000),
        "y": make_row(started=moment(7), model="other"),
    }
    for name, row in rows.items():
        append_run(store, name, Document((row,)), {}, {})
    (store / "damaged").mkdir()
    (store / "damaged" / "rows.json").write_text("{")
    return store


def test_rows_stand_in_the_order_they_were_made_each_against_the_last_good_one(runs: Path) -> None:
    entries = history(read_store(runs), "kws_ref_model", "nano33")
    assert [entry.run for entry in entries] == ["e", "d", "c", "b", "a", "x"]
    assert [entry.first for entry in entries] == [True, False, False, False, False, True]
    judged = [{step.change.column: step.judgement for step in entry.steps} for entry in entries]
    assert judged == [
        {},
        {"instructions": "worse", "flash_total_bytes": "better"},
        {},
        {"instructions": "better", "flash_total_bytes": "worse", "accuracy": "better"},
        {"accuracy": "changed"},
        {},
    ]
    assert entries[3].steps[0].change.old == 9_300_000  # not the failed row before it


def test_the_table_the_figure_and_the_words(runs: Path, tmp_path: Path) -> None:
    result = harness("history", "kws_ref_model", "--board", "nano33", "-o", "h.svg", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    words = ("11111111", "2026-01-02", "instructions +1.09 % worse", "flash -2.78 % better", "failed: board silent",
             "44444444+", "accuracy +0.50 points better", "-10.60 points other", "estimate", "~12,107,200")  # fmt: skip
    assert [word for word in words if word not in result.stdout] == []
    assert max(map(len, lines)) <= 120
    damaged = [line for line in result.stderr.splitlines() if "damaged" in line]
    assert len(damaged) == 1
    figure = (tmp_path / "h.svg").read_text(encoding="utf-8")
    for word in (
        "instructions",
        "flash, bytes",
        "RAM, bytes",
        "accuracy, %",
        "estimate",
        "33333333 failed",
        "44444444+",
    ):
        assert word in figure
    assert harness("history", "kws_ref_model", "--board", "nano33", "-o", "h.png", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.png", "h.svg", "results"]


def test_json_has_the_rows_with_their_changes_and_nothing_else(runs: Path, tmp_path: Path) -> None:
    result = harness("history", "kws_ref_model.tflite", "--board", "nano33", "--runs", runs, "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    assert [row["run"] for row in document["rows"]] == ["e", "d", "c", "b", "a", "x"]
    change = {"column": "instructions", "old": 9_200_000, "new": 9_300_000, "judgement": "worse"}
    assert document["rows"][1]["changes"][0] == change
    assert document["rows"][1]["instructions"] == 9_300_000


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["kws_ref_modle", "--board", "nano33"], ["'kws_ref_modle'", "did you mean 'kws_ref_model'"]),
        (["kws_ref_model", "--board", "nano3"], ["'nano3'", "did you mean 'nano33'"]),
        (["kws_ref_model", "--board", "nano33", "--where", "qmu"], ["'qmu'", "did you mean 'qemu'"]),
        (["kws_ref_model", "--board", "nano33", "--runs", "nothing"], ["nothing", "harness bench"]),
        (["kws_ref_model", "--board", "nano33", "-o", "h.pdf"], ["-o", ".svg", "h.pdf"]),
    ],
)
def test_the_users_mistake_is_status_2(runs: Path, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    result = harness("history", *arguments, cwd=tmp_path)
    assert_failed(result, 2, *parts)
    assert result.stdout == ""


def test_a_model_of_another_board(runs: Path) -> None:
    append_run(runs, "z", Document((make_row(model="far", board="elsewhere"),)), {}, {})
    assert_failed(harness("history", "far", "--board", "nano33", "--runs", runs), 2, "elsewhere")
