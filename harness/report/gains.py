"""What each method of distillation gains and costs: a table for a terminal, one in Markdown, and a plot."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import words
from harness.report.figures import Plot, files
from harness.report.markdown import cells, escape
from harness.report.palette import FIRST, INK, SECOND, SOFT
from harness.rows.gains import NONE, Gain

BEST = 3
"""How many methods of a student are named above its table."""
NOT_RUN = "not run yet"
NOTE = (
    "gain: points over the same student on hard labels alone (none), and its 95 % interval by a bootstrap over test "
    "items and seeds; undecided where it holds 0"
)
_HEADS = ("method", "teacher", "epochs", "items", "seeds", "accuracy %", "gain", "95 % interval", "verdict", "seconds",
          "x none")  # fmt: skip
_WHOLE = ("method", "95 % interval", "verdict")
"""Columns that are folded only where folding the others does not make enough room."""
Missing = Sequence[tuple[str, str]]
"""(student, method) of the recipes that have no figure."""
Notes = Mapping[str, str]
"""What a reader has to know of a student, by its name."""


def table(found: Sequence[Gain], missing: Missing, notes: Notes) -> RenderableType:
    """Return what is known of each student's methods, the best first."""
    parts: list[RenderableType] = []
    for student, rows in _rows(found, missing):
        said, shared = _shared(rows)
        title = ", ".join([student, *said]) + (f": {notes[student]}" if student in notes else "")
        shown = Table(title=Text(words.plain(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        kept = [number for number in range(len(_HEADS)) if number not in shared]
        for head in (_HEADS[number] for number in kept):
            side = "left" if head in ("method", "teacher", "verdict") else "right"
            shown.add_column(head, justify=side, overflow="fold", no_wrap=head in _WHOLE)  # type: ignore[arg-type]
        for row in rows:
            shown.add_row(*(Text(words.plain(row[number])) for number in kept))
        parts.append(shown)
    return Group(*parts, Text(NOTE, style="dim"))


def _shared(rows: Sequence[tuple[str, ...]]) -> tuple[list[str], list[int]]:
    """Return what all runs of a student have alike, such as "30 epochs", and the columns that need not say it."""
    said, columns = [], []
    for name in ("epochs", "items"):
        column = _HEADS.index(name)
        values = {row[column] for row in rows} - {""}
        if len(values) <= 1:
            said += [f"{value} {name}" for value in values]
            columns.append(column)
    return said, columns


def markdown(found: Sequence[Gain], missing: Missing, notes: Notes, plots: str) -> str:
    """Return the same as Markdown, each student's plot above its table.

    Args:
        found: of one task.
        missing: of the same.
        notes: of its students.
        plots: what stands before the name of a plot, such as `../results/`.
    """
    parts = []
    for student, rows in _rows(found, missing):
        mine = [each for each in found if each.student == student]
        parts.append(f"### {student}")
        if student in notes:
            parts.append(f"{notes[student].capitalize()}.")
        if any(each.gain is not None for each in mine):
            parts.append(f"![{_described(mine)}]({plots}{_stem(student)}.svg)")
            parts.append(_best(mine))
        parts.append(cells(_HEADS, rows))
    return "\n\n".join(parts) if parts else f"No recipe yet, so {NOT_RUN}."


def _best(found: Sequence[Gain]) -> str:
    """Name the methods that gain most, and those of them whose interval has no 0 in it."""
    gaining = [each for each in _ordered(found) if (each.gain or 0) > 0][:BEST]
    named = [
        f"{escape(each.method)} {each.gain:+.2f}" + (f" ({each.verdict})" if each.verdict == "helps" else "")
        for each in gaining
    ]
    return f"Best: {', '.join(named) or 'none gains anything'}."


def with_table(text: str, task: str, content: str) -> str:
    """Return a text with other content between `<!-- table of TASK -->` and the next `<!-- end of table -->`."""
    marks = re.compile(rf"(<!-- table of {re.escape(task)} -->\n).*?(<!-- end of table -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)


def plots(found: Sequence[Gain]) -> Iterator[tuple[str, bytes]]:
    """Draw each student's gains, PNG and SVG; yields the name of each file and its content."""
    for student, group in groupby(sorted(found, key=lambda each: each.student), lambda each: each.student):
        mine = [each for each in _ordered([*group]) if each.gain is not None]
        if mine:
            title = f"What distillation gains for {student}"
            yield from files([Plot(_stem(student), title, _described(mine), lambda mine=mine: _figure(mine))])  # type: ignore[misc]


def _stem(student: str) -> str:
    return f"gains_{student}"


def _ordered(found: Sequence[Gain]) -> list[Gain]:
    """Return `none` first, then the largest gain first; what cannot be compared last."""
    return sorted(found, key=lambda each: (each.method != NONE, each.gain is None, -(each.gain or 0), each.method))


def _rows(found: Sequence[Gain], missing: Missing) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield each student and the cells of its methods."""
    students = dict.fromkeys([*(each.student for each in found), *(student for student, _ in missing)])
    for student in sorted(students):
        mine = _ordered([each for each in found if each.student == student])
        absent = [(method, *[""] * 7, NOT_RUN, "", "") for name, method in missing if name == student]
        yield student, [*map(_cells, mine), *absent]


def _cells(gain: Gain) -> tuple[str, ...]:
    return (
        gain.method,
        gain.teacher,
        str(gain.epochs),
        words.count(gain.n),
        gain.seeds,
        f"{gain.accuracy:.2f}",
        "" if gain.gain is None else f"{gain.gain:+.2f}",
        "" if gain.gain_low is None else f"{gain.gain_low:+.2f} to {gain.gain_high:+.2f}",
        gain.verdict or ("" if gain.method == NONE else "not compared"),
        f"{gain.train_seconds:,.0f}",
        "" if gain.cost is None else f"{gain.cost:.2f}",
    )


def _described(found: Sequence[Gain]) -> str:
    """Say what the plot shows, for those who do not see it."""
    known = [each for each in _ordered(found) if each.gain is not None]
    return "Gain over hard labels alone, points: " + ", ".join(f"{each.method} {each.gain:+.2f}" for each in known)


def _figure(found: Sequence[Gain]) -> Any:
    """Draw methods from top to bottom: at the left the gain with its interval, at the right what it costs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 1.1 + 0.27 * len(found)), layout="constrained")
    gain, cost = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    places = range(len(found))
    middle = [each.gain or 0.0 for each in found]
    below = [max(each.gain - each.gain_low, 0) for each in found]  # type: ignore[operator]
    above = [max(each.gain_high - each.gain, 0) for each in found]  # type: ignore[operator]
    gain.axvline(0, color=INK.light, lw=1)
    gain.errorbar(middle, places, xerr=(below, above), fmt="o", ms=5, color=FIRST.light, ecolor=SOFT.light, capsize=2)
    gain.set_yticks(places, [_label(each, found) for each in found])
    gain.set_xlabel("gain over hard labels alone, points (95 % interval)")
    cost.barh(places, [each.cost or 0 for each in found], height=0.6, color=SECOND.light)
    cost.axvline(1, color=INK.light, lw=1)
    cost.set_xlabel("training time, times none")
    gain.set_ylim(len(found) - 0.5, -0.5)
    for axes in (gain, cost):
        axes.grid(visible=True, axis="x")
        axes.tick_params(axis="y", length=0)
    return figure


def _label(gain: Gain, found: Sequence[Gain]) -> str:
    """Return a method's name, with what tells it from another line of the same method."""
    alike = [each for each in found if each.method == gain.method]
    parts = [f"{getattr(gain, name)}" for name in ("teacher", "epochs", "n") if _differ(alike, name)]
    return words.short(words.plain(" ".join([gain.method, *parts])), 30)


def _differ(found: Sequence[Gain], name: str) -> bool:
    return len({getattr(each, name) for each in found}) > 1
