"""What plots are made of: the front, the places of names, the files."""

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.report import figures
from harness.report.entries import Source, entries_of
from harness.report.inline import inline
from harness.report.labels import overlaps, place_labels
from harness.report.pareto import front
from harness.rows.measurement import Document
from tests.report.synthetic import LIMITS, synthetic
from tests.rows.examples import make_row

few = st.integers(0, 6).map(float)  # small numbers, so that equal ones are common


@given(st.lists(st.tuples(few, few)))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    def beaten(point: tuple[float, float]) -> bool:
        return any(x <= point[0] and y >= point[1] and (x, y) != point for x, y in points)

    kept = front(points)
    assert sorted(kept) == [index for index, point in enumerate(points) if not beaten(point)]
    assert [points[index][0] for index in kept] == sorted(points[index][0] for index in kept)


def test_names_lie_inside_and_cover_nothing() -> None:
    points = [(20.0 + 70 * (index % 5), 20.0 + 25 * (index // 5)) for index in range(20)]
    boxes = place_labels(points, [(50.0, 9.0)] * 20, [(0.0, 150.0, 400.0, 152.0)], 400, 200)
    shared = overlaps(boxes, boxes)
    assert shared.sum() == pytest.approx(np.trace(shared))
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 400
    assert boxes[:, 3].max() <= 200
    assert overlaps(boxes, np.array([[0.0, 150.0, 400.0, 152.0]])).sum() == 0
    dots = np.array([(x - 3, y - 3, x + 3, y + 3) for x, y in points])
    assert overlaps(boxes, dots).sum() == 0


def test_names_of_points_on_one_spot_are_apart() -> None:
    boxes = place_labels([(100.0, 100.0)] * 6, [(60.0, 9.0)] * 6, [], 200, 200)
    shared = overlaps(boxes, boxes)
    assert shared.sum() == pytest.approx(np.trace(shared))


def drawn(document: Document) -> dict[str, bytes]:
    entries = entries_of([Source("mine", document)], LIMITS)
    return dict(figures.files([*figures.overview(entries), *figures.of_rows(entries)]))


@pytest.mark.slow
def test_every_plot_is_written_as_png_and_svg_the_same_each_time() -> None:
    document = synthetic(2, ("nano33",))
    files = drawn(document)
    stems = {
        "accuracy_latency_nano33-qemu_speech_commands", "flash_nano33-qemu", "ram_nano33-qemu",
        *(f"{kind}_kws_dscnn_0{number}_nano33_qemu" for kind in ("layers", "confusion") for number in range(2)),
    }  # fmt: skip
    assert {*files} == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    for name, content in files.items():
        if name.endswith(".png"):
            assert min(Image.open(io.BytesIO(content)).size) > 100
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")
    assert drawn(document) == files


def test_names_of_files_are_harmless_and_no_two_are_the_same() -> None:
    rows = [
        make_row(model=name, model_sha256=f"{index:064x}")
        for index, name in enumerate(("a/../b", "a-..-b", "é" * 300, "A-..-B"))
    ]
    names = [*drawn(Document(tuple(rows)))]
    assert names
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert Path(name).name == name
        assert len(name) < 200


def test_latencies_of_two_boards_or_data_sets_share_no_plot() -> None:
    rows = (
        make_row(),
        make_row(board="x"),
        make_row(dataset="cifar10"),
        make_row(accuracy=None),
        make_row(latency_ms=None),
    )
    plots = figures.overview(entries_of([Source("mine", Document(rows))], LIMITS))
    accuracies = [plot.title for plot in plots if plot.name.startswith("accuracy")]
    assert len(accuracies) == 3


def test_a_plot_says_in_words_what_it_shows() -> None:
    rows = (make_row(model="slow", latency_ms=90.0), make_row(model="quick", latency_ms=3.0, accuracy=80.0))
    plots = figures.overview(entries_of([Source("mine", Document(rows))], LIMITS))
    assert "the fastest first: quick (~3.0 ms" in plots[0].description
    assert "estimate" in plots[0].description
    assert "of 982,528 bytes a program may use" in plots[1].description


def test_an_inlined_plot_keeps_its_names_and_takes_the_colours_of_the_page() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt" height="9pt"'
        ' viewBox="0 0 9 9"><metadata>http://a.b</metadata><defs><style>*{}</style><path id="m" d="M 0 0&#10;L 1 1"/>'
        '</defs><g id="figure_1"><use xlink:href="#m" clip-path="url(#c)" style="fill: #2f6fb7"/></g>'
        '<text style="font-size: 9px; font-family: \'A\', b">#2f6fb7 &lt;b&gt;</text><clipPath id="c"/></svg>'
    )
    text = inline(svg, "p1", "a <title>", "what it shows")
    assert text == (
        '<svg viewBox="0 0 9 9" role="img" aria-labelledby="p1-title p1-desc">'
        '<title id="p1-title">a &lt;title&gt;</title>'
        '<desc id="p1-desc">what it shows</desc><defs><path id="p1-m" d="M 0 0 L 1 1" /></defs>'
        '<g><use href="#p1-m" clip-path="url(#p1-c)" style="fill: var(--first)" /></g>'
        '<text style="font-size: 9px; ">#2f6fb7 &lt;b&gt;</text><clipPath id="p1-c" /></svg>'
    )
