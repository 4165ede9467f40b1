import dataclasses
import html
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.flows.compare import verdict_line
from harness.report import pull_request, words
from harness.rows.compare import compare, parse_rule
from harness.rows.direction import better_sign
from harness.rows.layers import match_layers, most_moved
from harness.rows.measurement import Document, Layer, Row, numeric_columns
from tests.rows.examples import make_row

NASTY = st.text(
    st.sampled_from("a|\\`*_[]<>&~@#!\n\r\t'\" \x00é") | st.characters(codec="utf-8"), min_size=1, max_size=40
)


def comment(old: Document, new: Document, *rules: str) -> str:
    comparison = compare(old, new)
    return pull_request.comment(comparison, comparison.broken([parse_rule(rule) for rule in rules]))


def one(**changes: object) -> Document:
    return Document((make_row(**changes),))


def layers(row: Row, *instructions: int, names: str = "abcdefghij") -> tuple[Layer, ...]:
    return tuple(
        Layer(row_id=row.row_id, index=i, name=name, op="CONV_2D", instructions=n)
        for i, (name, n) in enumerate(zip(names, instructions, strict=False))
    )


def cells(text: str) -> list[list[str]]:
    """Return the cells of every table row, as a reader sees them."""
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            rows[-1].append(
                "".join(child.content for child in token.children or () if child.type in ("text", "text_special"))
            )
    return rows


def test_the_first_line_says_what_got_better_what_worse_and_which_rule_broke() -> None:
    new = one(instructions=9_300_000, flash_total_bytes=35_000, accuracy=91.1, macs=1)
    top = comment(one(), new, "instructions>+0.5%").splitlines()[0]
    broke, worse, better = re.split(r" (?=\*\*)", top)
    assert broke.startswith("**1 rule broke**: <code>instructions&gt;+0.5%</code> by <code>kws\\_ref\\_model</code>")
    assert worse.startswith("**Worse**: instructions +1.09 %")
    assert "accuracy +1.00 points" in better
    assert "flash_total_bytes -2.78 %" in better


@pytest.mark.parametrize(
    ("column", "new", "word"),
    [
        ("instructions", 9_100_000, "better"),
        ("instructions", None, "worse"),
        ("cycles", 13_000_000, "worse"),
        ("latency_ms", 200.0, "better"),
        ("ram_stack_bytes", 500, "worse"),
        ("accuracy", 91.0, "better"),
        ("accuracy", 89.0, "worse"),
        ("bit_exact_samples", 999, "worse"),
        ("macs", 1, "changed"),
        ("flags", "-O3", "changed"),
        ("status", "failed", "worse"),
    ],
)
def test_every_change_is_judged_by_a_word(column: str, new: object, word: str) -> None:
    heads, row = cells(comment(one(), one(**{column: new})))
    assert heads[2:6] == ["column", "old", "new", "change"]
    estimate = " (estimate)" if column in ("cycles", "latency_ms") else ""
    assert row[2] == column + estimate
    assert row[6] == word


def test_other_data_makes_an_accuracy_neither_better_nor_worse() -> None:
    text = comment(one(), one(accuracy=95.0, dataset="speech_commands"))
    assert "better" not in text.replace("Nothing got better", "")


def test_every_column_knows_its_direction() -> None:
    neutral = {name for name in numeric_columns() if better_sign(name) == 0}
    assert neutral == {"macs", "macs_executed", "clock_hz", "samples", "card_samples", "seconds"}


def test_unchanged_rows_are_counted_not_listed() -> None:
    same = tuple(make_row(model=f"same{i}") for i in range(7))
    text = comment(Document((make_row(), *same)), Document((make_row(instructions=1), *same)))
    assert "7 of 8 rows are unchanged." in text
    assert "same" not in text
    assert comment(Document(same), Document(same)).startswith("**No change** in 7 rows.")


def test_a_board_measures_and_an_emulator_estimates() -> None:
    board = {"where": "hardware", "cycles_source": "measured", "latency_source": "measured"}
    assert "estimate" not in comment(one(**board), one(**board, cycles=1))
    assert words.EMULATED_NOTE in comment(one(), one())


def test_the_layers_that_moved_most_are_named() -> None:
    old, new = make_row(), make_row(instructions=9_300_000)
    before = Document((old,), layers(old, 10, 20, 30, 40, 50, 60, 70))
    after = Document((new,), layers(new, 11, 22, 33, 44, 55, 66, 70))
    text = comment(before, after, "instructions>+0.5%")
    assert [row[0] for row in cells(text)[3:]] == [f"{i} CONV_2D {'abcdef'[i]}" for i in (5, 4, 3, 2, 1)]
    assert text.count("<details>") == text.count("</details>") == 1
    assert "most in 5 CONV\\_2D <code>f</code>: +6 instructions" in text.splitlines()[0]
    comparison = compare(before, after)
    verdicts = comparison.broken([parse_rule("instructions>+0.5%"), parse_rule("accuracy<1")])
    line = verdict_line(comparison, verdicts)
    assert "instructions went from 9200000 to 9300000, most in layer 5 (CONV_2D f): +6 instructions" in line
    assert line.endswith("accuracy went from 90.1 to 90.1")


def test_a_layer_that_saved_much_is_not_blamed() -> None:
    old, new = make_row(), make_row(instructions=9_300_000)
    comparison = compare(Document((old,), layers(old, 900, 10)), Document((new,), layers(new, 0, 500)))
    assert "layer 1 (CONV_2D b): +490" in verdict_line(comparison, comparison.broken([parse_rule("instructions>0")]))


def test_layers_match_though_one_was_put_in_and_one_renamed() -> None:
    row = make_row()
    pairs = match_layers(layers(row, 1, 2, 3, names="abc"), layers(row, 9, 1, 5, 3, names="xabc"))
    assert [(p.old.name if p.old else None, p.new.name if p.new else None) for p in pairs] == [
        (None, "x"), ("a", "a"), ("b", "b"), ("c", "c"),
    ]  # fmt: skip
    assert [pair.layer.name for pair in most_moved(pairs, "instructions", 2)] == ["x", "b"]
    [renamed] = match_layers(layers(row, 1, names="a"), layers(row, 4, names="z"))
    assert renamed.moved("instructions") == 3
    [gone] = match_layers(layers(row, 7), ())
    assert (gone.values("instructions"), gone.moved("instructions")) == ((7, None), -7)


@settings(deadline=None, max_examples=150)
@given(model=NASTY, layer=NASTY, flags=NASTY)
@example(model="a|b\\|`c`\n<b>d</b> *e* @f", layer="<script>|`\\", flags="|\n|")
def test_no_name_breaks_the_table(model: str, layer: str, flags: str) -> None:
    old, new = make_row(model=model), make_row(model=model, instructions=1, flags=flags)
    text = comment(
        Document((old,), layers(old, 5)[:1]),
        Document((new,), (dataclasses.replace(layers(new, 7)[0], name=layer),)),
        "instructions<0",
    )
    table = cells(text)
    assert [len(row) for row in table] == [7, 7, 7, 5, 5]
    shown = words.plain(model)
    assert {row[0].split() == shown.split() for row in table[1:3]} == {True}
    assert table[4][0].split() == ["0", "CONV_2D", *words.plain(layer).split()]
    assert text.splitlines()[0].startswith("**1 rule broke**")
    tags = re.findall(r"<[^>]*>", text)
    assert set(tags) <= {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"}


@pytest.mark.parametrize("name", ["m", "&<" * 500])
def test_a_comment_fits_and_says_what_was_left_out(name: str) -> None:
    old = [make_row(model=f"{name}{i}", model_sha256=f"{i:064x}", optimise=str(i)) for i in range(260)]
    new = [dataclasses.replace(row, instructions=1, cycles=2, ram_total_bytes=3) for row in old]
    some = [layer for row in old for layer in layers(row, 1, 2, 3)]
    more = [dataclasses.replace(layer, instructions=9) for layer in some]
    text = comment(Document((*old,), (*some,)), Document((*new[:200],), (*more,)), "instructions<-1", "cycles<-1%")
    assert 30_000 < len(text.encode()) <= pull_request.LIMIT
    assert "more changed values do not fit" in text
    assert "more tables of layers do not fit" in text
    assert text.splitlines()[0].count(" more") == 4
    assert "and 40 more" in text
    assert html.unescape(text.splitlines()[0]).count("missing") == 3
