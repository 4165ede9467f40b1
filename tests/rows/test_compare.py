import dataclasses

import pytest

from harness.errors import UserError
from harness.rows.compare import Change, Comparison, compare, parse_rule
from harness.rows.measurement import Document
from tests.rows.examples import make_row

KEY = ("kws_ref_model", "nano33", "qemu", "balanced", "gcc 12.2.1")


def one(**changes: object) -> Document:
    return Document((make_row(**changes),))


def broken(comparison: Comparison, *rules: str) -> list[str]:
    return [verdict.rule.text for verdict in comparison.broken([parse_rule(rule) for rule in rules])]


@pytest.mark.parametrize(
    ("rule", "column", "old", "new", "breaks"),
    [
        ("instructions>+0.5%", "instructions", 1000, 1005, False),
        ("instructions>+0.5%", "instructions", 1000, 1006, True),
        ("instructions>0.5%", "instructions", 1000, 1006, True),
        ("instructions>-1%", "instructions", 1000, 995, True),
        ("instructions>5", "instructions", 1000, 1005, False),
        ("instructions>5", "instructions", 1000, 1006, True),
        ("accuracy<-0.5", "accuracy", 90.0, 89.5, False),
        ("accuracy<-0.5", "accuracy", 90.0, 89.4, True),
        ("accuracy < -0.5", "accuracy", 90.0, 95.0, False),
        ("ram_static_bytes>+1%", "ram_static_bytes", 0, 1, True),
        ("ram_static_bytes>+1%", "ram_static_bytes", 0, 0, False),
        ("latency_ms>1e1%", "latency_ms", 100.0, 111.0, True),
        ("accuracy<-0.5", "accuracy", 90.0, None, True),
        ("accuracy<-0.5", "accuracy", None, 1.0, False),
        ("accuracy<-0.5", "accuracy", None, None, False),
    ],
)
def test_a_rule_speaks_about_the_change(rule: str, column: str, old: object, new: object, breaks: bool) -> None:
    assert bool(broken(compare(one(**{column: old}), one(**{column: new})), rule)) == breaks


def test_a_missing_row_breaks_every_rule() -> None:
    old = Document((make_row(), make_row(model="other")))
    comparison = compare(old, one())
    assert comparison.missing == (("other", *KEY[1:]),)
    assert broken(comparison, "instructions>1%", "accuracy<-1") == ["instructions>1%", "accuracy<-1"]
    assert broken(comparison) == []


def test_an_added_row_breaks_nothing() -> None:
    comparison = compare(one(), Document((make_row(), make_row(model="other"))))
    assert comparison.added == (("other", *KEY[1:]),)
    assert broken(comparison, "instructions>1%") == []


@pytest.mark.parametrize("column", ["model", "board", "where", "optimise", "toolchain"])
def test_rows_match_by_all_five(column: str) -> None:
    with pytest.raises(UserError, match="no row of OLD matches"):
        compare(one(), one(**{column: "hardware" if column == "where" else "other"}))


def test_a_retrained_model_of_the_same_name_matches() -> None:
    assert compare(one(), one(model_sha256="b" * 64)).matched == (KEY,)


def test_a_row_twice_is_refused() -> None:
    twice = Document((make_row(), dataclasses.replace(make_row(), accuracy=1.0)))
    with pytest.raises(UserError, match="twice"):
        compare(twice, one())


def test_an_unknown_column_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"'instruction'.*did you mean 'instructions'"):
        parse_rule("instruction>1%")


@pytest.mark.parametrize("rule", ["", "instructions", "instructions=1", "instructions>>1", "accuracy<a", "a>1%%"])
def test_a_rule_of_another_form_is_refused(rule: str) -> None:
    with pytest.raises(UserError, match="rule"):
        parse_rule(rule)


def test_a_rule_cannot_speak_about_words() -> None:
    with pytest.raises(UserError, match="holds numbers"):
        parse_rule("board>1")


def test_differences_leave_out_when_it_was_measured() -> None:
    comparison = compare(one(started="a", seconds=1.0), one(started="b", seconds=2.0, flags="-O3"))
    assert comparison.differences() == (Change(KEY, "flags", None, "-O3"),)
