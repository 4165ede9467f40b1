"""The plots about a teacher, for its page and for papers. matplotlib is imported when one is drawn."""

import math
import re
from typing import Any

from harness.diagnostics.calibration import Bin, Calibration
from harness.report import words
from harness.report.confusion import is_dark, shade
from harness.report.figures import Plot
from harness.report.inspection.advice import useful_temperatures
from harness.report.inspection.document import Inspection, Shown
from harness.report.palette import FIRST, FRONT, INK, LINE, SECOND, SOFT, THIRD

_LABEL = 14
"""Widest name of a class, characters."""
_CELL = 0.42
"""Inches."""
_WRITTEN = 30
"""Most classes whose shares are written into the cells."""


def curves(shown: Shown, inspection: Inspection) -> list[Plot]:
    """Return the reliability diagram and the curves over the temperature of one set."""
    return [_reliability(shown), _softness(shown, len(inspection.classes))]


def plots(inspection: Inspection) -> list[Plot]:
    """Return every plot of every set."""
    return [
        plot for shown in inspection.sets for plot in (*curves(shown, inspection), _similarity(shown, inspection))
    ]  # fmt: skip


def _name(kind: str, shown: Shown) -> str:
    return f"{kind}_{re.sub(r'[^A-Za-z0-9._-]+', '-', shown.name).strip('-._')[:60]}"


def _reliability(shown: Shown) -> Plot:
    now, then = shown.findings.as_it_is, shown.findings.scaled
    return Plot(
        _name("reliability", shown),
        "Reliability: how often it is right, by how sure it is",
        f"Expected calibration error {100 * now.error:.2f} % at T = 1, {100 * then.error:.2f} % at "
        f"T = {then.temperature:.2f}, which fits best.",
        lambda: _reliability_figure(now, then),
    )


def _reliability_figure(now: Calibration, then: Calibration) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(5.4, 5.2))
    axes = figure.add_axes((0.13, 0.33, 0.84, 0.59))
    below = figure.add_axes((0.13, 0.1, 0.84, 0.17), sharex=axes)
    axes.plot([0, 1], [0, 1], color=SOFT.light, lw=1, ls=(0, (4, 3)), label="as often right as sure")
    for found, colour, mark in ((then, SECOND, "s"), (now, FIRST, "o")):
        known = [each for each in found.bins if each.count]
        points = [each.confidence or 0.0 for each in known], [each.accuracy or 0.0 for each in known]
        label = f"T = {found.temperature:.3g}, ECE {100 * found.error:.2f} %"
        axes.plot(*points, color=colour.light, lw=1, label=label)
        axes.scatter(*points, [_dot(each, found) for each in known], color=colour.light, marker=mark, clip_on=False)
    share = [each.count / sum(bin_.count for bin_ in now.bins) for each in now.bins]
    width = now.bins[0].high - now.bins[0].low
    below.bar([each.low for each in now.bins], share, 0.92 * width, align="edge", color=FIRST.light)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    below.set(ylim=(0, 1))
    axes.set_ylabel("right")
    below.set_ylabel("of items")
    below.set_xlabel("confidence: the largest probability")
    axes.tick_params(labelbottom=False)
    for each in (axes, below):
        each.grid(visible=True)
        each.yaxis.set_major_formatter(PercentFormatter(1, 0))
    below.xaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.legend(loc="lower right", borderpad=0.2)
    return figure


def _dot(found: Bin, of: Calibration) -> float:
    """Return the area of a bin's dot, square points: the more items the larger, so that chance looks like chance."""
    return 8 + 80 * math.sqrt(found.count / sum(each.count for each in of.bins))


def _softness(shown: Shown, classes: int) -> Plot:
    table = "; ".join(f"T = {each.temperature:g}: {each.entropy_bits:.2f} bits" for each in shown.findings.softness)
    return Plot(
        _name("softness", shown),
        "What the soft targets say, by temperature",
        f"Mean entropy of at most {math.log2(classes):.2f} bits. {table}.",
        lambda: _softness_figure(shown, classes),
    )


def _softness_figure(shown: Shown, classes: int) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, NullLocator

    found, most = shown.findings.softness, math.log2(classes)
    temperatures = [each.temperature for each in found]
    figure = Figure(figsize=(5.4, 5.2))
    above, below = figure.add_axes((0.13, 0.55, 0.84, 0.37)), figure.add_axes((0.13, 0.1, 0.84, 0.37))
    above.plot(temperatures, [each.entropy_bits for each in found], color=FIRST.light, marker="o", ms=4.5, lw=1.4)
    above.axhline(most, color=FRONT.light, lw=1.2)
    above.annotate(
        f"largest: {most:.2f}", (temperatures[0], most), xytext=(0, 4), textcoords="offset points", color=FRONT.light
    )
    useful = useful_temperatures(shown.findings, classes)
    if useful:
        middle = 1.12  # a band a little wider than its temperatures, on a logarithmic axis
        above.axvspan(useful[0] / middle, useful[-1] * middle, color=LINE.light, lw=0, zorder=0)
        above.annotate(
            "try first", (math.sqrt(useful[0] * useful[-1]), 0), xytext=(0, 4), textcoords="offset points",
            ha="center", color=INK.light,
        )  # fmt: skip
    above.set_ylabel("entropy, bits")
    above.set_ylim(0, 1.16 * most)
    for values, colour, mark, label in (
        ([each.right for each in found], THIRD, "o", "right class"),
        ([each.runner_up for each in found], SECOND, "s", "runner-up"),
    ):
        below.plot(temperatures, values, color=colour.light, marker=mark, ms=4.5, lw=1.4, label=label)
    below.axhline(1 / classes, color=SOFT.light, lw=1, ls=(0, (4, 3)), label=f"chance, 1/{classes}")
    below.set_ylabel("mean probability")
    below.set_ylim(0, 1.02)
    below.set_xlabel("temperature T")
    below.legend(loc="upper right", borderpad=0.2)
    for axes in (above, below):
        axes.set_xscale("log")
        axes.set_xticks(temperatures, [f"{each:g}" for each in temperatures])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True)
    above.tick_params(labelbottom=False)
    return figure


def _similarity(shown: Shown, inspection: Inspection) -> Plot:
    temperature = shown.findings.similarity_temperature
    return Plot(
        _name("similarity", shown),
        f"Which classes the teacher finds alike, at T = {temperature:g}",
        "Rows are the true class, columns the class that gets the probability, in percent; the diagonal has no colour.",
        lambda: _similarity_figure(shown, inspection),
    )


def _similarity_figure(shown: Shown, inspection: Inspection) -> Any:
    from matplotlib.figure import Figure

    names = [words.short(words.plain(name), _LABEL) for name in inspection.classes]
    count, most = len(names), largest(shown)
    figure = Figure(figsize=(1.9 + _CELL * count, 1.8 + _CELL * count), layout="constrained")
    axes = figure.add_subplot()
    matrix = shown.findings.similarity
    colours = [
        [shade(0.0 if i == j or share is None else share / most, right=False) for j, share in enumerate(row)]
        for i, row in enumerate(matrix)
    ]
    axes.imshow(colours)
    if count <= _WRITTEN:
        for i, row in enumerate(matrix):
            for j, share in enumerate(row):
                if share is not None:
                    ink = SOFT.light if i == j else "white" if is_dark(colours[i][j]) else "black"
                    axes.text(j, i, f"{100 * share:.1f}", ha="center", va="center", color=ink, size=6.5)
    axes.set_xticks(range(count), names, rotation=90)
    axes.set_yticks(range(count), names)
    title = f"mean probability, %, at T = {shown.findings.similarity_temperature:g}"
    axes.set(title=title, xlabel="class that gets it", ylabel="true class")
    return figure


def largest(shown: Shown) -> float:
    """Return the largest share off the diagonal of the similarity, above 0."""
    return max((pair.share for pair in shown.findings.likest), default=0.0) or 1.0
