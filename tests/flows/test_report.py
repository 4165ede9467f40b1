"""`harness report`: one page about several runs."""

import json
import os
from pathlib import Path

import pytest

from harness.flows import report as flow
from harness.flows.provenance import command_line
from harness.rows.measurement import Document
from harness.rows.store import write_run
from tests.command import assert_failed, harness
from tests.report.parsed import parse
from tests.rows.examples import make_row


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Return two run folders with the same row_id."""
    found = [tmp_path / "old", tmp_path / "new"]
    for run, instructions in zip(found, (9_200_000, 9_300_000), strict=True):
        write_run(run, Document((make_row(instructions=instructions),)), {}, {})
    return found


def test_two_runs_with_the_same_row_are_both_shown(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    result = harness("report", runs[0], runs[1] / "rows.json", "-o", out)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{out}\n", "")
    rows = parse(out.read_text(encoding="utf-8")).one("table", id="rows").one("tbody").all("tr")
    assert [(row.children[1].text, row.children[5].text) for row in rows] == [
        ("old", "9,200,000"),
        ("new", "9,300,000"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.html", "new", "old"]


def test_a_document_of_an_older_harness_is_a_page(runs: list[Path], tmp_path: Path) -> None:
    assert list(json.loads((runs[0] / "rows.json").read_text())) == ["schema", "rows", "layers"]
    assert harness("report", runs[0], "-o", tmp_path / "a.html").returncode == 0


def test_plots_lie_beside_the_page(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    assert harness("report", *runs, "-o", tmp_path / "page" / "a.html", "--plots").returncode == 0
    names = {path.suffix for path in (tmp_path / "page" / "plots").iterdir()}
    assert names == {".png", ".svg"}
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == ["a.html", "plots"]


@pytest.mark.parametrize(
    ("damage", "out", "parts"),
    [
        (None, "no/a.html", ["a folder that exists", "make"]),
        (None, "a.md", [".html"]),
        (None, "old", [".html"]),
        ("", "a.html", ["not JSON", "old"]),
        ('{"schema": 2}', "a.html", ["schema 1", "old"]),
        ("gone", "a.html", ["rows.json", "old"]),
    ],
)
def test_the_users_mistake_is_one_line_and_nothing_is_written(
    runs: list[Path], tmp_path: Path, damage: str | None, out: str, parts: list[str]
) -> None:
    file = runs[0] / "rows.json"
    if damage == "gone":
        file.unlink()
    elif damage is not None:
        file.write_text(damage)
    before = sorted(tmp_path.rglob("*"))
    result = harness("report", *runs, "-o", tmp_path / out)
    assert_failed(result, 2, *parts)
    assert result.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "a.html"
    page.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        flow._write(page, "new")
    assert page.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_runs_are_named_so_that_no_two_are_alike() -> None:
    def named(*paths: str) -> list[str]:
        return flow.name_runs([*map(Path, paths)])

    assert named("runs/a", "runs/b/rows.json") == ["a", "b"]
    assert named("x/a", "y/a") == ["x/a", "y/a"]
    assert named("x/a", "x/a", "x/a/rows.json") == ["x/a", "x/a (2)", "x/a/rows.json"]


def test_a_command_line_can_be_typed_again_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", "/some/where/")
    line = command_line(["bench", "/some/where/my models/a.tflite", "b c.tflite", "--board", "nano33"])
    assert line == "harness bench $HARNESS_DATA/'my models/a.tflite' 'b c.tflite' --board nano33"
    monkeypatch.delenv("HARNESS_DATA")
    assert command_line(["bench", "/a.tflite"]) == "harness bench /a.tflite"
