"""The table of methods: on a terminal, in Markdown, and as a plot."""

from dataclasses import replace

import pytest
from rich.console import Console

from harness.report import gains as report
from harness.rows.gains import Gain

NONE = Gain("kws", "s", "", "none", 3, "d", 12_000, "0 1 2", 4890, 93.01, None, None, None, 300.0, 1.0)
SOFT = replace(NONE, method="soft", teacher="t", gain=0.5, gain_low=0.1, gain_high=0.9, train_seconds=360.0, cost=1.2)
HINT = replace(SOFT, method="hint|*", gain=-1.0, gain_low=-1.5, gain_high=-0.5)
GRAM = replace(SOFT, method="gram", gain=0.2, gain_low=-0.1, gain_high=0.5)
ALONE = replace(SOFT, method="rkd", gain=None, gain_low=None, gain_high=None, cost=None)
ALL = (HINT, ALONE, SOFT, GRAM, NONE)
MISSING = (("s", "dkd"), ("other", "none"))
NOTES = {"other": "on the host alone"}


def test_the_best_is_first_and_what_has_no_figure_last() -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(report.table(ALL, MISSING, NOTES))
    text = captured.get()
    order = [text.index(name) for name in ("none ", "soft", "gram", "hint|*", "rkd", "dkd")]
    assert text.index("other") < order[0] and order[1:] == sorted(order[1:])
    for words in ("+0.50", "+0.10 to +0.90", "helps", "hurts", "undecided", "not run yet", "12,000", "1.20",
                  "not compared", "other: on the host alone"):  # fmt: skip
        assert words in " ".join(text.split()), words


def test_what_all_runs_share_is_said_once() -> None:
    def shown(*found: Gain) -> list[str]:
        console = Console(width=120)
        with console.capture() as captured:
            console.print(report.table(found, (), {}))
        return captured.get().splitlines()

    alike = shown(*ALL)
    assert alike[0].strip() == "s, 3 epochs, 12,000 items" and "epochs" not in alike[2]
    other = shown(*ALL, replace(SOFT, epochs=9))
    assert other[0].strip() == "s, 12,000 items" and "epochs" in other[2] and "items" not in other[2]


def test_markdown_shows_names_as_they_are_and_the_plot_where_there_is_one() -> None:
    text = report.markdown(ALL, MISSING, NOTES, "../r/")
    assert r"hint\|\*" in text
    assert text.count("../r/gains_s.svg") == 1 and "gains_other" not in text
    assert "soft +0.50, gram +0.20, hint|* -1.00" in text
    assert "\n\nBest: soft +0.50 (helps), gram +0.20.\n\n|" in text and text.count("Best: ") == 1
    assert "Best: none gains anything." in report.markdown((NONE, HINT), (), {}, "")
    four = [replace(SOFT, method=f"m*{number}", gain=number / 4) for number in range(1, 5)]
    assert r"Best: m\*4 +1.00 (helps), m\*3 +0.75 (helps), m\*2 +0.50 (helps)." in report.markdown(four, (), {}, "")
    assert "### other\n\nOn the host alone.\n\n|" in text and text.count("host") == 1
    assert report.markdown((), (), {}, "") == "No recipe yet, so not run yet."


def test_only_the_tables_own_place_is_written_over() -> None:
    text = (
        "a\n<!-- table of kws -->\nold\n<!-- end of table -->\nb\n<!-- table of vision -->\nx\n<!-- end of table -->\n"
    )
    once = report.with_table(text, "kws", r"new \1")
    assert once == text.replace("old", "\n" + r"new \1" + "\n")
    assert report.with_table(once, "kws", r"new \1") == once
    assert report.with_table("nothing here", "kws", "new") == "nothing here"


def test_a_plot_of_each_student_says_what_it_shows() -> None:
    files = dict(report.plots([*ALL, replace(SOFT, student="other"), replace(NONE, student="bare")]))
    assert set(files) == {"gains_s.svg", "gains_s.png", "gains_other.svg", "gains_other.png"}
    svg = files["gains_s.svg"].decode()
    for words in ("soft", "gram", "hint|*", "points (95 % interval)", "times none"):
        assert words in svg
    assert "rkd" not in svg
    assert files["gains_s.png"].startswith(b"\x89PNG")
    assert dict(report.plots(ALL))["gains_s.svg"] == files["gains_s.svg"]


@pytest.mark.parametrize("changes", [{"teacher": "u"}, {"epochs": 9}, {"n": 45_000}])
def test_lines_of_one_method_are_told_apart_in_the_plot(changes: dict[str, object]) -> None:
    svg = dict(report.plots([SOFT, replace(SOFT, **changes)]))["gains_s.svg"].decode()  # type: ignore[arg-type]
    assert f"soft {next(iter(changes.values()))}" in svg
