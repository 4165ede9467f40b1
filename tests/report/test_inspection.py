"""What is shown of a teacher: sentences, the document, the CSV, the page; what a browser makes of it."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from harness.diagnostics.findings import Findings, examine
from harness.report.inspection import terminal
from harness.report.inspection.advice import advice, useful_temperatures
from harness.report.inspection.document import Inspection, Shown, table
from harness.report.inspection.files import files
from harness.report.inspection.page import page
from tests.diagnostics.examples import CLASSES, inspection
from tests.report.browser import accessible, chromium, requests, show
from tests.report.parsed import Element, parse

NASTY = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7 * 7 }}\x1b[31m $x$"


def said(found: Findings, student: str | None = None) -> list[str]:
    shown = Shown("set", found)
    about = Inspection("wise", "", "kws", CLASSES[: len(found.similarity)], (shown,), student)
    return advice(shown, about)


def peaked(sure: float, right: int, wrong: int, classes: int = 4) -> Findings:
    """Return the findings of a teacher that says class 0 with logit `sure`, right so often."""
    logits = np.zeros((right + wrong, classes))
    logits[:, 0] = sure
    return examine(logits, np.array([0] * right + [1] * wrong), 4.0)


def test_advice_on_calibration_follows_the_best_temperature() -> None:
    # Of 3 in 4 right, ln 9 is what a calibrated teacher of four classes says: 9 / (9 + 3).
    assert "can be taken as they are" in said(peaked(np.log(9), 75, 25))[0]
    assert "surer than it is right" in said(peaked(2 * np.log(9), 75, 25))[0]
    assert "T = 2.00 (ECE 0.00 %)" in said(peaked(2 * np.log(9), 75, 25))[0]
    assert "less sure than it is right" in said(peaked(np.log(9) / 2, 75, 25))[0]
    assert "the end of the search" in said(peaked(3, 10, 0))[0]


def test_advice_on_the_temperature_names_where_the_entropy_is_useful() -> None:
    found = peaked(8, 9, 1)
    most = np.log2(4)
    useful = [each.temperature for each in found.softness if 0.1 <= each.entropy_bits / most <= 0.5]
    assert useful_temperatures(found, 4) == useful
    assert len(useful) > 1
    assert f"at T = {useful[0]:g} to {useful[-1]:g}" in said(found)[1]
    assert "try T = 20" in said(peaked(200, 9, 1))[1]  # nothing softens it
    assert "try T = 1" in said(peaked(0.01, 9, 1))[1]


def test_advice_on_a_student_counts_who_is_right() -> None:
    whole = inspection()
    about, beside = whole.sets[0], whole.sets[0].findings.student
    assert beside is not None
    lines = advice(about, whole)
    count = beside.agreement
    assert f"small ({beside.accuracy:.2f} %) differs on {count.differ} of 200 items" in lines[3]
    assert (
        f"right on {count.teacher_right}, the student on {count.student_right}, neither on {count.neither}" in lines[3]
    )
    assert len(lines) == 5
    poor = replace(beside, agreement=replace(count, teacher_right=count.student_right))
    lines = advice(replace(about, findings=replace(about.findings, student=poor)), whole)
    assert "no more often right" in lines[5]


def test_the_document_is_json_with_named_classes() -> None:
    whole = inspection(names=tuple(f"word/{number}.wav" for number in range(200)))
    document = json.loads(json.dumps(whole.document(), allow_nan=False))
    first, second = document["sets"]
    assert (document["schema"], document["teacher"], document["classes"]) == (1, "wise", list(CLASSES))
    assert first["items"] == 200
    assert sum(each["count"] for each in first["calibration"]["as_it_is"]["bins"]) == 200
    assert first["similarity"]["likest"][0]["true"] in CLASSES
    assert [sum(row) for row in first["similarity"]["matrix"]] == pytest.approx([1] * 4)
    assert len(first["student"]["disagreements"]) == first["student"]["differ"] == sum(
        each["items"] for each in first["student"]["pairs"]
    )  # fmt: skip
    assert second["student"] is None
    lines = [*csv.DictReader(io.StringIO(table(whole)))]
    assert len(lines) == first["student"]["differ"]
    assert lines[0]["item"].startswith("word/")
    assert {line["set"] for line in lines} == {"words (validation)"}
    assert float(lines[0]["kl_bits"]) == first["student"]["disagreements"][0]["kl_bits"]


def test_a_class_without_items_is_unknown_and_not_nan() -> None:
    found = examine(np.eye(3)[[0, 1]], np.array([0, 1]), 1.0)
    whole = replace(inspection(), classes=("a", "b", "c"), sets=(Shown("set", found),), student=None)
    assert whole.document()["sets"][0]["similarity"]["matrix"][2] == [None] * 3
    assert parse(page(whole)).one("table", class_="confusion").one("tbody").all("tr")[2].text == "c"


def test_the_terminal_names_what_matters_in_120_columns() -> None:
    whole = inspection((*CLASSES[:3], NASTY), names=tuple(f"{'deep/' * 30}{NASTY}{number}" for number in range(200)))
    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(terminal.summary(whole))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 120
    assert "\x1b" not in text
    assert "of 200 items of words (validation)" in text
    assert text.count("entropy, bits") == 2
    assert text.count("KL, bits") == 1


def bare(element: Element) -> list[str]:
    return [each.text for each in element.children]


def test_the_page_shows_each_set_its_tables_and_its_plots() -> None:
    whole = inspection()
    root = parse(page(whole))
    headings = [each.text for each in root.all("h2")]
    assert headings[0] == f"{whole.sets[0].findings.accuracy:.2f} % of 200 items of words (validation)"
    assert headings[-1] == "Provenance"
    assert len(root.all("svg")) == 4
    matrices = root.all("table", class_="confusion")
    assert len(matrices) == 2
    first = matrices[0].one("tbody").all("tr")[0]
    assert bare(first) == ["yes", *(f"{100 * share:.1f}" for share in whole.sets[0].findings.similarity[0])]  # type: ignore[operator]
    [listed] = root.all("table", class_="listed")
    beside = whole.sets[0].findings.student
    assert beside is not None
    assert len(listed.one("tbody").all("tr")) == min(50, len(beside.disagreements))
    useful = root.all("tr", class_="useful")
    assert useful[0].children[0].text == f"{useful_temperatures(whole.sets[0].findings, 4)[0]:g}"


def test_nothing_in_a_name_becomes_markup() -> None:
    root = parse(page(inspection((*CLASSES[:3], NASTY), (NASTY,) * 200, NASTY)))
    assert root.all("script") == []
    assert root.all("img") == []
    assert not any("\x1b" in text for each in root.everything() for text in each.texts)


@pytest.mark.slow
def test_every_file_is_there_and_the_same_each_time() -> None:
    first, again = files(inspection()), files(inspection())
    assert first == again
    kinds = ("reliability", "similarity", "softness")
    plots = {f"plots/{kind}_{name}.{suffix}" for kind in kinds for suffix in ("png", "svg")
             for name in ("words-validation", "kws_x-training-view-0")}  # fmt: skip
    assert set(first) == {"inspection.json", "report.html", "disagreements.csv"} | plots
    alone = replace(inspection(), student=None)
    assert "disagreements.csv" not in files(replace(alone, sets=alone.sets[1:]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.mark.slow
def test_a_browser_shows_it_whole_small_dark_and_alone(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(inspection(names=tuple(f"unknown/{'a' * 80}{n}.wav" for n in range(200)))), encoding="utf-8")
    for width in (320, 800, 1280):
        show(browser, path, width=width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert [url for url in requests(browser) if not url.startswith("data:")] == [path.as_uri()]
    tree = accessible(browser)
    assert [entry for entry in tree if entry[0] in {"image", "img", "region", "table", "link"} and not entry[1]] == []
    assert sum(role in ("image", "img") for role, _ in tree) == 4
    show(browser, path, scheme="dark")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 25, 30)"
    assert browser.get_log("browser") == []
