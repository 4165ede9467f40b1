"""The page, read by a parser; what a browser makes of it is in test_browser.py."""

import base64
import hashlib
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report import html
from harness.report.entries import Source
from harness.report.palette import COLOURS
from harness.rows.measurement import Confusion, Document, Layer
from tests.report.parsed import Element, parse
from tests.report.synthetic import LIMITS, synthetic
from tests.rows.examples import make_row

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7 * 7 }}\x1b[31m $x$ #2f6fb7"


def page_of(document: Document, name: str = "mine") -> str:
    return html.page([Source(name, document)], LIMITS)


def cells(page: Element) -> list[dict[str, Element]]:
    """Return the table of rows: heading -> cell."""
    table = page.one("table", id="rows")
    heads = [button.texts[0].strip() for button in table.all("button")]
    rows = table.one("tbody").all("tr")
    return [dict(zip(heads, row.children, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def text() -> str:
    return page_of(synthetic(4))


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return parse(text)


def test_every_row_stands_in_the_table_with_units(page: Element) -> None:
    rows = cells(page)
    assert len(rows) == 8
    expected = synthetic(4).rows[0]
    first = rows[0]
    assert first["model"].text == "kws_dscnn_00"
    assert first["instructions"].text == f"{expected.instructions:,}"
    assert (
        first["flash"].text
        == f"{expected.flash_total_bytes:,} {100 * expected.flash_total_bytes / 982_528:.1f} % of board"
    )  # type: ignore[operator]
    assert first["accuracy"].text.endswith("of 1,000 speech_commands")
    heads = [head.text for head in page.one("table", id="rows").one("thead").all("th")]
    assert {"accuracy %", "latency ms", "flash B", "RAM B"} <= {*heads}


def test_an_emulated_latency_is_an_estimate_with_its_band(page: Element) -> None:
    row = synthetic(4).rows[0]
    text = cells(page)[0]["latency"].text
    assert text == f"~{row.latency_ms:.1f} estimate {row.latency_low_ms:.1f}–{row.latency_high_ms:.1f}"
    assert all("estimate" in table.one("thead").text for table in page.all("table", class_="layers"))
    svgs = [svg.text for svg in page.all("svg") if "latency" in svg.text]
    assert len(svgs) == 2
    assert all("latency, ms (estimate)" in svg for svg in svgs)


def test_a_measured_latency_is_not() -> None:
    row = make_row(where="hardware", latency_source="measured", cycles_source="measured", instructions=None)
    page = parse(page_of(Document((row,))))
    assert cells(page)[0]["latency"].text == "244.00"
    assert "estimate" not in page.one("body").text.replace("report", "")


def test_unfinished_rows_are_shown_with_their_error() -> None:
    failed = make_row(
        model="gone", status="failed", error="board <silent>", accuracy=None, latency_ms=None, instructions=None,
        cycles=None, latency_low_ms=None, latency_high_ms=None, latency_source=None, cycles_source=None,
        flash_total_bytes=None, ram_total_bytes=None, bit_exact_samples=None,
    )  # fmt: skip
    page = parse(page_of(Document((make_row(), failed, make_row(status="partial", error="interrupted", board="x")))))
    assert [row["status"].text for row in cells(page)] == ["ok", "failed board <silent>", "partial interrupted"]
    assert cells(page)[1]["latency"].text == "-"
    assert "2 of 3 rows did not finish" in page.one("main").text


@pytest.mark.parametrize("rows", [(), (make_row(where="host", board=None, latency_ms=None, accuracy=None),)])
def test_a_run_with_hardly_anything_is_a_page(rows: tuple[object, ...]) -> None:
    page = parse(page_of(Document(rows)))  # type: ignore[arg-type]
    assert len(cells(page)) == len(rows)


def test_plots_have_names_and_share_no_id(page: Element) -> None:
    svgs = page.all("svg")
    assert len(svgs) == 6  # accuracy, flash and RAM for each of two boards
    for svg in svgs:
        assert svg.attributes["role"] == "img"
        title, description = (svg.one(tag) for tag in ("title", "desc"))
        assert svg.attributes["aria-labelledby"].split() == [title.attributes["id"], description.attributes["id"]]
        assert title.text
        assert description.text
    ids = [element.attributes["id"] for element in page.everything() if "id" in element.attributes]
    assert len({*ids}) == len(ids)
    references = {
        found
        for element in page.everything()
        for value in element.attributes.values()
        for found in re.findall(r"(?:^|\()#([\w-]+)", value)
    }
    assert references
    assert references <= {*ids}


def test_the_front_is_drawn_and_every_model_named(page: Element) -> None:
    accuracy = next(svg for svg in page.all("svg") if svg.one("title").text.startswith("Accuracy"))
    written = [element.text for element in accuracy.all("text")]
    assert {f"kws_dscnn_{number:02d}" for number in range(4)} <= {*written}
    assert "Pareto front" in written
    front = [path for path in accuracy.all("path") if "var(--front)" in path.attributes.get("style", "")]
    assert front


def test_memory_is_drawn_against_the_limits_of_each_board(page: Element) -> None:
    titles = {svg.one("title").text: [text.text for text in svg.all("text")] for svg in page.all("svg")}
    for title, limit, parts in (
        ("Flash on nano33 (qemu)", "limit 982,528", ["weights", "code"]),
        ("RAM on nano33 (qemu)", "limit 261,632", ["arena", "static", "stack"]),
        ("Flash on disco (qemu)", "limit 262,144", ["weights", "code"]),
        ("RAM on disco (qemu)", "limit 65,536", ["arena", "static", "stack"]),
    ):
        assert {limit, *parts} <= {*titles[title]}


def test_a_board_nobody_knows_has_no_limit() -> None:
    page = parse(page_of(Document((make_row(board="mine"),))))
    assert "% of board" not in cells(page)[0]["flash"].text
    assert not any("limit" in svg.text for svg in page.all("svg"))


def test_layers_and_confusion_of_each_row(page: Element) -> None:
    document = synthetic(4)
    details = page.all("details")
    assert len(details) == 8
    for row, detail in zip(document.rows, details, strict=True):
        layers = [layer for layer in document.layers if layer.row_id == row.row_id]
        lines = [line.all("td") for line in detail.one("table", class_="layers").one("tbody").all("tr")]
        assert [line[2].text for line in lines] == [f"{layer.instructions:,}" for layer in layers]
        shares = [float(line[4].text.split()[0]) for line in lines]
        assert sum(shares) == pytest.approx(100, abs=1)
        matrix = detail.one("table", class_="confusion").one("tbody").all("tr")
        counts = [[int(cell.text or 0) for cell in line.all("td")[:-1]] for line in matrix]
        assert counts == [[*line] for line in document.confusions[row.row_id].matrix]


def test_of_too_many_classes_the_commonest_mistakes() -> None:
    size = range(50)
    matrix = tuple(tuple(9 if true == answer else int(answer == true + 1) * true for answer in size) for true in size)
    row = make_row()
    confusion = Confusion(tuple(f"class {index}" for index in size), matrix)
    page = parse(page_of(Document((row,), confusions={row.row_id: confusion})))
    assert page.all("table", class_="confusion") == []
    first = page.one("table", class_="mistakes").one("tbody").all("tr")[0]
    assert first.text == "class 48 class 49 48"


def test_provenance_is_complete(page: Element) -> None:
    row = synthetic(4).rows[0]
    text = page.all("details")[0].one("dl").text
    for value in (row.model_sha256, row.toolchain, row.flags, row.git_commit, row.emulator, "2026-11-24 10:00:00 UTC"):
        assert str(value) in text
    run = page.one("dl", class_="run").text
    assert "harness bench --board nano33 --board disco" in run
    assert "abc123" in run


def test_controls_have_names_and_wait_for_the_script(page: Element) -> None:
    heads = page.one("table", id="rows").one("thead").all("th")
    for head in heads:
        assert head.attributes["aria-sort"] == "none"
        assert "disabled" in head.one("button").attributes
    form = page.one("form")
    assert "hidden" in form.attributes
    controls = [element for element in form.everything() if element.tag in ("input", "select")]
    labelled = [element for label in form.all("label") for element in label.everything() if label.texts[0].strip()]
    assert len(controls) == 3
    assert all(control in labelled for control in controls)
    assert all(box.attributes.get("aria-label") for box in page.all("div", tabindex="0"))


def test_nothing_is_loaded_and_only_the_own_script_may_run(text: str, page: Element) -> None:
    assert re.findall(r"https?:|//\w|@import|url\((?!#)|src=", text.replace("// The page is complete", "")) == []
    links = [e.attributes["href"] for e in page.everything() if "href" in e.attributes]
    assert all(link.startswith("#") or link == "data:," for link in links)
    policy = next(meta for meta in page.all("meta") if "http-equiv" in meta.attributes).attributes["content"]
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_light_and_dark_have_every_colour(text: str) -> None:
    light, dark = re.findall(r":root\{(.*?)\}", text)
    assert "@media(prefers-color-scheme:dark)" in text
    for colour in COLOURS:
        assert f"--{colour.name}:{colour.light};" in light
        assert f"--{colour.name}:{colour.dark};" in dark
    used = {*re.findall(r"var\(--(\w+)\)", text)} - {"s"}
    assert used <= {colour.name for colour in COLOURS}


def nasty_document(name: str) -> Document:
    row = make_row(model=name, error=name, status="partial", flags=name, dataset=name, toolchain=name, emulator=name)
    layer = Layer(row_id=row.row_id, index=0, name=name, op=name, instructions=5)
    return Document((row,), (layer,), confusions={row.row_id: Confusion((name, "b"), ((1, 0), (0, 1)))}, command=name)


def assert_harmless(text: str) -> None:
    page = parse(text)
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert not any(name.startswith("on") for element in page.everything() for name in element.attributes)
    assert "\x1b" not in text
    assert len(cells(page)) == 1


def test_no_name_becomes_markup() -> None:
    text = page_of(nasty_document(NASTY), NASTY)
    assert_harmless(text)
    assert "{{ 7 * 7 }}" in text
    assert "$x$ #2f6fb7" in text  # neither a formula nor a colour of the page


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_any_name_is_harmless(name: str) -> None:
    assert_harmless(page_of(nasty_document(name), name))


def test_the_same_rows_give_the_same_page(text: str) -> None:
    assert page_of(synthetic(4)) == text


def test_runs_are_named_where_there_are_several() -> None:
    document = synthetic(1)
    page = parse(html.page([Source("old", document), Source("new", replace(document, command=None))], LIMITS))
    assert [row["run"].text for row in cells(page)] == ["old", "old", "new", "new"]
    assert [run.text.split()[1] for run in page.all("dl", class_="run")] == ["old", "new"]
    written = [text.text for text in page.all("text")]
    assert "kws_dscnn_00 · old" in written
    assert "kws_dscnn_00 · new" in written


def test_layers_of_one_run_are_not_counted_for_another() -> None:
    document = synthetic(1, ("nano33",), layers=2)
    other = replace(document, layers=document.layers[:1])
    page = parse(html.page([Source("old", document), Source("new", other)], LIMITS))
    assert [len(table.one("tbody").all("tr")) for table in page.all("table", class_="layers")] == [2, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("models", "most_bytes", "most_seconds"), [(25, 1_000_000, 4.0), (50, 2_000_000, 5.0)])
def test_many_rows_are_drawn_in_time_and_are_small(models: int, most_bytes: int, most_seconds: float) -> None:
    document = synthetic(models)
    started = time.process_time()  # other work on the machine does not count
    text = page_of(document)
    assert time.process_time() - started < most_seconds
    assert len(text.encode()) < most_bytes
    assert len(cells(parse(text))) == 2 * models
