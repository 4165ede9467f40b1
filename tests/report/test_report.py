import csv
import io
import logging
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console, RenderableType

from harness.report import confusion, markdown, plot, terminal, words
from harness.report import csv as csv_report
from harness.report.progress import Speaker, silence, told
from harness.rows.compare import compare, parse_rule
from harness.rows.measurement import Confusion, Document, Layer, columns
from tests.rows.examples import make_row

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NASTY = "a|b<script>*[x](http://evil)`\x1b[31m\n# www.evil.example"


def shown(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=terminal.WIDTH)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_and_marks_what_is_estimated() -> None:
    lines = shown(
        terminal.summary(Document((make_row(model="pretrainedResnet_quant", latency_ms=12345.6),)))
    ).splitlines()
    assert max(map(len, lines)) <= terminal.WIDTH
    row = next(line for line in lines if "pretrainedResnet_quant" in line)
    assert "~12345.6 ms (230.8-266.7)" in row
    assert "1000/1000" in row
    assert any("estimated, not measured on a board" in line for line in lines)


def test_a_measured_latency_has_no_mark() -> None:
    row = make_row(where="hardware", latency_source="measured", cycles_source="measured")
    text = shown(terminal.summary(Document((row,))))
    assert "244.00 ms" in text
    assert "~" not in text


def test_unknown_is_a_dash() -> None:
    row = make_row(accuracy=None, instructions=None, latency_ms=None, bit_exact_samples=None)
    assert [words.accuracy(row), words.latency(row), words.bit_exact(row)] == ["-", "-", "-"]


def test_a_failed_row_says_why_and_the_card_stands_beside_other_data() -> None:
    row = make_row(
        status="failed", error="board silent", card_accuracy=94.6, card_dataset="speech_commands", card_samples=4890
    )
    text = shown(terminal.summary(Document((row,))))
    assert "(failed)" in text
    assert "board silent" in text
    assert "94.6 % on 4890 samples of speech_commands" in text


def test_no_name_reaches_the_terminal_as_an_escape_sequence() -> None:
    assert "\x1b" not in shown(terminal.summary(Document((make_row(model=NASTY),))))


def test_no_name_becomes_markup() -> None:
    row = make_row(model=NASTY)
    layer = Layer(row_id=row.row_id, index=0, name=NASTY, op="CONV_2D", instructions=5)
    text = markdown.report(Document((row,), (layer,)))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "[x](" not in text
    assert "http://" not in text
    assert "\n# www" not in text
    cells = {line.count("|") - line.count(r"\|") for line in text.splitlines() if line.startswith("|")}
    assert cells == {11, 12, 7}  # figures, sizes, layers: a name adds no cell


def test_the_report_has_provenance() -> None:
    text = markdown.report(Document((make_row(flags="-O2 -mthumb", git_commit="abc"),)))
    for line in ("- flags: -O2 -mthumb", "- git_commit: abc", "- toolchain: gcc 12.2.1", "- cycles_method: cpi"):
        assert line.replace("_", r"_") in text


def test_csv_keeps_whole_numbers_and_leaves_unknown_empty() -> None:
    document = Document((make_row(), make_row(model="b,c", instructions=None)))
    first, second = csv.DictReader(io.StringIO(csv_report.table(document)))
    assert tuple(first) == columns()
    assert first["instructions"] == "9200000"
    assert second["instructions"] == ""
    assert second["model"] == "b,c"


def test_a_comparison_names_what_broke() -> None:
    comparison = compare(Document((make_row(),)), Document((make_row(instructions=9_300_000, accuracy=None),)))
    verdicts = comparison.broken([parse_rule("instructions>+0.5%"), parse_rule("accuracy<-1")])
    assert "+100,000" in shown(terminal.differences(comparison, verdicts))


def test_a_comparison_of_the_same_says_so() -> None:
    same = compare(Document((make_row(),)), Document((make_row(),)))
    assert "no differences in 1 rows" in shown(terminal.differences(same, ()))


def test_recall_is_shown_for_every_class() -> None:
    text = shown(terminal.recall(Confusion(("yes", "no"), ((3, 1), (0, 0)))))
    assert "75.0 %" in text


def confused(classes: int, count: int = 7) -> Confusion:
    """Every class right `count` times and taken for the next one twice."""
    rows = [[0] * classes for _ in range(classes)]
    for true, row in enumerate(rows):
        row[true], row[(true + 1) % classes] = count, 2
    return Confusion(
        tuple(f"{'class' if index else NASTY} {index}" for index in range(classes)), tuple(map(tuple, rows))
    )


@pytest.mark.parametrize(("classes", "part"), [(2, "7"), (12, "class 11"), (25, "24 class 24"), (60, "--plot")])
def test_a_confusion_matrix_fits_and_keeps_every_count(classes: int, part: str) -> None:
    text = shown(confusion.matrix(confused(classes, 12_345 if classes == 12 else 7)))
    assert max(map(len, text.splitlines())) <= terminal.WIDTH
    assert part in text
    assert "\x1b" not in text


def test_cells_are_shaded_by_their_share() -> None:
    assert confusion.shade(0.0, True) == confusion.shade(0.0, False) == (255, 255, 255)
    assert confusion.shade(1.0, True) != confusion.shade(1.0, False)
    console = Console(file=io.StringIO(), width=terminal.WIDTH, force_terminal=True, color_system="truecolor")
    console.print(confusion.matrix(Confusion(("yes", "no"), ((3, 1), (0, 4)))))
    assert isinstance(console.file, io.StringIO)
    red, green, blue = confusion.shade(0.25, False)
    assert f"48;2;{red};{green};{blue}m" in console.file.getvalue()


def test_a_plot_is_whole_the_same_each_time_and_takes_every_name(tmp_path: Path) -> None:
    many = Confusion(("$a$b$", NASTY, "<&>"), ((3, 1, 0), (0, 0, 0), (1, 1, 1)))
    for name in ("a.svg", "b.svg"):
        plot.plot_confusion(many, "a $title$", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "$a$b$" in text
    assert "75.0 %" in text
    assert "<script" not in text
    assert "\x1b" not in text
    ElementTree.fromstring(text)
    plot.plot_confusion(confused(60), "many", tmp_path / "c.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg", "c.png"]


@pytest.mark.parametrize("terminal_like", [False, True])
def test_the_bar_ends_with_a_rate(terminal_like: bool) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal_like)
    with Speaker(console).bar("kws", 10) as advance:
        advance(10)
    assert isinstance(console.file, io.StringIO)
    assert "kws: 10 samples in" in console.file.getvalue()


@pytest.mark.parametrize("terminal_like", [False, True])
def test_steps_are_counted_on_a_terminal_alone(terminal_like: bool) -> None:
    file = io.StringIO()
    with Speaker(Console(file=file, width=120, force_terminal=terminal_like)).steps_bar("training kws") as advance:
        advance(3, 12)
        advance(12, 12)
    assert ("12/12" in file.getvalue()) == terminal_like


def test_where_the_end_is_unknown_the_time_so_far_is_shown() -> None:
    file = io.StringIO()
    with Speaker(Console(file=file, width=120, force_terminal=True)).steps_bar("converting kws"):
        pass
    assert "0:00:00 so far" in ANSI.sub("", file.getvalue())


def test_a_bar_may_stand_below_another() -> None:
    file = io.StringIO()
    speaker = Speaker(Console(file=file, width=120, force_terminal=True))
    with speaker.steps_bar("training") as advance:
        advance(1, 4)
        with speaker.steps_bar("teacher") as pass_on:
            pass_on(3, 5)
            deadline = time.monotonic() + 10
            while "3/5" not in ANSI.sub("", file.getvalue()):  # both are drawn ten times a second
                assert time.monotonic() < deadline
                time.sleep(0.05)
        advance(4, 4)
    assert re.search("training .* 4/4", ANSI.sub("", file.getvalue()))


def test_silence_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    speaker = silence()
    speaker.say("a")
    speaker.shout("b")
    with speaker.bar("c", 1) as advance, speaker.steps_bar("d") as step, speaker.bytes_bar("e", 1) as more:
        advance(1)
        step(1, 1)
        more(1)
    assert capfd.readouterr() == ("", "")


def test_what_is_logged_is_told_while_it_is_wanted() -> None:
    file = io.StringIO()
    log = logging.getLogger("harness.somewhere")
    with told(Speaker(Console(file=file, width=40))):
        log.info("run: %s", "a command that is longer than the terminal is wide")
        log.debug("too much")
    log.info("not wanted any more")
    assert file.getvalue() == "run: a command that is longer than the terminal is wide\n"
