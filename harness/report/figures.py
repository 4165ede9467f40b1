"""The plots of a report, for its page and for papers. matplotlib is imported when one is drawn: it takes a second."""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.report import words
from harness.report.entries import Entry
from harness.report.palette import FIRST, FRONT, INK, LINE, PAPER, SECOND, SOFT, THIRD, Colour
from harness.report.pareto import front
from harness.report.plot import confusion_figure

_WIDTH = 7.6
"""Of a figure, inches."""
_FONT = 9
"""Size of writing, points."""
_LETTER = 0.62
"""Width of a letter by the size of its font: DejaVu Sans on average, which is wider than most."""
_LABEL = 30
"""Widest name in a plot, characters."""
_CROWD = 20
"""From so many points on a plot is larger, and their names smaller."""
_BAR = 0.27
"""Height of a bar and the space above it, inches."""
_SETTINGS = {
    "text.parse_math": False,  # no `$` in a model's name becomes a formula
    "svg.hashsalt": "harness",  # the same bytes each time
    "svg.fonttype": "none",  # writing stays writing
    "font.size": _FONT,
    "text.color": INK.light,
    "axes.edgecolor": SOFT.light,
    "axes.labelcolor": INK.light,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": LINE.light,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT.light,
    "ytick.color": SOFT.light,
    "xtick.labelcolor": INK.light,
    "ytick.labelcolor": INK.light,
    "legend.frameon": False,
    "legend.fontsize": _FONT,
}
_PARTS = {
    "flash": (("weights", "flash_weights_bytes", FIRST), ("code", "flash_code_bytes", SECOND)),
    "ram": (
        ("arena", "ram_arena_bytes", FIRST),
        ("static", "ram_static_bytes", SECOND),
        ("stack", "ram_stack_bytes", THIRD),
    ),
}


@dataclass(frozen=True)
class Plot:
    """A plot that can be drawn.

    Attributes:
        name: of its file, without suffix.
        title: in a few words.
        description: what it shows, for those who do not see it.
        draw: returns the matplotlib figure.
        kind: "wide" for one that takes the whole width of a page, "wide crowd" where it needs that.
    """

    name: str
    title: str
    description: str
    draw: Callable[[], Any]
    kind: str = ""


def overview(entries: Sequence[Entry]) -> list[Plot]:
    """Return the plots over all rows: accuracy against latency for each board and data set, flash and RAM by board."""
    return [*_accuracies(entries), *_memories(entries, "flash"), *_memories(entries, "ram")]


def of_rows(entries: Sequence[Entry]) -> list[Plot]:
    """Return the plots of single rows: the layers, and the confusion matrix where there is one."""
    layers = [_layers(entry) for entry in entries if any(layer.instructions for layer in entry.layers)]
    return layers + [_confusion(entry) for entry in entries if entry.confusion is not None]


def files(plots: Sequence[Plot]) -> Iterator[tuple[str, bytes]]:
    """Draw plots; yields the name of each file, PNG and SVG, and its content."""
    taken: set[str] = set()
    for plot in plots:
        stem = plot.name
        while stem.lower() in taken:
            stem += "-"
        taken.add(stem.lower())
        for kind, content in zip(("png", "svg"), _render(plot, "png", "svg"), strict=True):
            yield f"{stem}.{kind}", content


def as_svg(plot: Plot) -> str:
    """Draw a plot as SVG, without a ground."""
    return _render(plot, "svg")[0].decode()


def _render(plot: Plot, *kinds: str) -> list[bytes]:
    import matplotlib

    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is a box in the PNG and itself in the SVG
        figure = plot.draw()
        return [_save(figure, kind) for kind in kinds]


def _save(figure: Any, kind: str) -> bytes:
    file = io.BytesIO()
    ground = "none" if kind == "svg" else PAPER.light
    figure.savefig(file, format=kind, dpi=200, facecolor=ground, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _accuracies(entries: Sequence[Entry]) -> Iterator[Plot]:
    """Yield a plot for each board and data set: figures of two boards, or of two data sets, cannot be compared."""
    shown = [entry for entry in entries if entry.row.accuracy is not None and entry.row.latency_ms]
    for (place, dataset), group in _groups(shown, lambda entry: (entry.place, words.plain(entry.row.dataset or "?"))):
        points = [_point(entry) for entry in group]
        best = [group[index] for index in front(points)]
        some = ", ".join(f"{entry.label} ({_say(entry)})" for entry in best[:12])
        yield Plot(
            _slug("accuracy_latency", place, dataset),
            f"Accuracy against latency on {place}, {dataset}",
            f"{len(group)} models. On the Pareto front, the fastest first: {some}{', ...' if len(best) > 12 else ''}.",
            lambda group=group, best=best: _accuracy_figure(group, best),  # type: ignore[misc]
            "wide crowd" if len(group) >= _CROWD else "wide",
        )


def _say(entry: Entry) -> str:
    return f"{words.latency(entry.row)}{_estimate(entry)}, {words.accuracy(entry.row)}"


def _estimate(entry: Entry) -> str:
    return " estimate" if entry.row.latency_source == "estimated" else ""


def _point(entry: Entry) -> tuple[float, float]:
    row = entry.row
    assert row.latency_ms is not None
    assert row.accuracy is not None
    return row.latency_ms, row.accuracy


def _accuracy_figure(group: Sequence[Entry], best: Sequence[Entry]) -> Any:
    from matplotlib.figure import Figure

    width, height = (_WIDTH, 3.8) if len(group) < _CROWD else (1.3 * _WIDTH, 6.0)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.62 / width, 0.5 / height, 1 - 0.82 / width, 1 - 0.85 / height))
    axes.grid(visible=True)
    for estimated in (True, False):
        part = [entry for entry in group if bool(_estimate(entry)) == estimated]
        if part:
            _scatter(axes, part, estimated)
    corners = [_point(entry) for entry in best]
    # Beyond a corner the front goes on: a slower model is of use only where it is more accurate.
    axes.plot(*zip(*corners, strict=True), drawstyle="steps-post", color=FRONT.light, lw=1.4, label="Pareto front")
    _scale(axes, group)
    axes.set_ylabel("accuracy, %")
    axes.set_xlabel(f"latency, ms{' (estimate)' if any(map(_estimate, group)) else ''}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0, handletextpad=0.5)
    _name_points(axes, group, best, figure.dpi)
    return figure


def _scatter(axes: Any, part: Sequence[Entry], estimated: bool) -> None:
    points = [_point(entry) for entry in part]
    reach = [_reach(entry) for entry in part]
    axes.errorbar(
        *zip(*points, strict=True), xerr=list(zip(*reach, strict=True)), fmt="o", ms=5, mew=1.3, elinewidth=1,
        ecolor=SOFT.light, color=FIRST.light, mfc=PAPER.light if estimated else FIRST.light,
        label="estimate, and its band" if estimated else "measured",
    )  # fmt: skip


def _reach(entry: Entry) -> tuple[float, float]:
    """Return how far the band goes to the left and to the right."""
    row, middle = entry.row, _point(entry)[0]
    low, high = row.latency_low_ms, row.latency_high_ms
    return max(middle - (middle if low is None else low), 0), max((middle if high is None else high) - middle, 0)


def _points_and_reach(group: Iterable[Entry]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return [(_point(entry), _reach(entry)) for entry in group]


def _scale(axes: Any, group: Sequence[Entry]) -> None:
    """Set both axes so that every point and band is inside; latencies far apart get a logarithmic one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    ends = [(x - left, x + right) for (x, _), (left, right) in _points_and_reach(group)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if low > 0 and high > 8 * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(low / 1.3, high * 1.3)
    else:
        room = 0.12 * (high - low) or 0.1 * high
        axes.set_xlim(max(low - room, 0), high + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    accuracies = [_point(entry)[1] for entry in group]
    room = max(0.12 * (max(accuracies) - min(accuracies)), 0.5)
    axes.set_ylim(min(accuracies) - room, max(accuracies) + room)
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))


def _name_points(axes: Any, group: Sequence[Entry], best: Sequence[Entry], dpi: float) -> None:
    """Write each model's name beside its point, those of the front first, with a line where it had to go far."""
    from harness.report.labels import place_labels

    size = _FONT if len(group) < _CROWD else 7
    others = [entry for entry in group if entry not in best]
    ordered = [*best, *others]
    frame = axes.get_window_extent()
    scale = 72 / dpi

    def on_paper(places: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        return [((x - frame.x0) * scale, (y - frame.y0) * scale) for x, y in axes.transData.transform([*places])]

    points = on_paper(map(_point, ordered))
    corners = on_paper(map(_point, best))
    steps = [(x, y, next_x, y) for (x, y), (next_x, _) in pairwise(corners)]
    rises = [(next_x, y, next_x, next_y) for (_, y), (next_x, next_y) in pairwise(corners)]
    ends = [on_paper([(x - left, y), (x + right, y)]) for (x, y), (left, right) in _points_and_reach(ordered)]
    lines = [*steps, *rises, *((*low, *high) for low, high in ends)]
    avoid = [(left - 1, bottom - 2, right + 1, top + 2) for left, bottom, right, top in lines]
    names = [words.short(entry.label, _LABEL) for entry in ordered]
    sizes = [(_LETTER * size * len(name) + 2, 1.15 * size) for name in names]
    boxes = place_labels(points, sizes, avoid, frame.width * scale, frame.height * scale)
    for entry, name, (x, y), (left, bottom, right, top) in zip(ordered, names, points, boxes, strict=True):
        middle = (left + right) / 2 - x, (bottom + top) / 2 - y
        far = max(left - x, x - right, bottom - y, y - top) > 12
        axes.annotate(
            name, _point(entry), xytext=middle, textcoords="offset points", ha="center", va="center", fontsize=size,
            color=FRONT.light if entry in best else INK.light,
            arrowprops={"arrowstyle": "-", "color": SOFT.light, "lw": 0.5, "shrinkA": 0, "shrinkB": 3} if far else None,
        )  # fmt: skip


def _memories(entries: Sequence[Entry], kind: str) -> Iterator[Plot]:
    """Yield a plot for each board: the parts of its flash or RAM, in bytes and against its limit."""
    total = f"{kind}_total_bytes"
    name = {"flash": "Flash", "ram": "RAM"}[kind]
    known = [entry for entry in entries if getattr(entry.row, total) is not None]
    for place, group in _groups(known, lambda entry: entry.place):
        ordered = sorted(group, key=lambda entry: -getattr(entry.row, total))
        limit = getattr(ordered[0].limits, f"{kind}_bytes", None)
        of_limit = "" if limit is None else f", of {limit:,} bytes a program may use"
        listed = "; ".join(f"{entry.label}: {getattr(entry.row, total):,} bytes" for entry in ordered[:12])
        parts = " and ".join(part for part, _, _ in _PARTS[kind])
        yield Plot(
            _slug(kind, place),
            f"{name} on {place}",
            f"{parts.capitalize()} of {len(group)} models{of_limit}. {listed}{'; ...' if len(ordered) > 12 else ''}.",
            lambda ordered=ordered, limit=limit: _memory_figure(ordered, kind, limit),  # type: ignore[misc]
        )


def _memory_figure(entries: Sequence[Entry], kind: str, limit: int | None) -> Any:
    """Draw stacked bars, scaled to the biggest; at their right the same against the board's limit."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    height = 0.95 + _BAR * len(entries)
    names = [words.short(entry.label, _LABEL) for entry in entries]
    left = 0.25 + max(map(len, names)) * _FONT * _LETTER / 72
    figure = Figure(figsize=(_WIDTH, height))
    share = 1.65 if limit else 0
    bottom, tall = 0.5 / height, _BAR * len(entries) / height
    axes = figure.add_axes((left / _WIDTH, bottom, (_WIDTH - left - share - 0.25) / _WIDTH, tall))
    totals = [getattr(entry.row, f"{kind}_total_bytes") for entry in entries]
    _stack(axes, entries, kind, 1)
    for place, total in enumerate(totals):
        axes.annotate(f"{total:,}", (total, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(entries)), names)
    axes.set_xlim(0, 1.22 * max(*totals, 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("bytes")
    parts = [Patch(color=colour.light, label=name) for name, _, colour in _PARTS[kind]]
    axes.legend(handles=parts, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0.2, handlelength=1)
    if limit:
        beside = figure.add_axes(((_WIDTH - share) / _WIDTH, bottom, (share - 0.3) / _WIDTH, tall), sharey=axes)
        _stack(beside, entries, kind, 100 / limit)
        beside.set_xlim(0, max(104, 104 * max(totals) / limit))
        beside.axvline(100, color=FRONT.light, lw=1.6)
        beside.tick_params(axis="y", left=False, labelleft=False)
        beside.set_xticks([0, 50, 100])
        beside.set_xlabel("% of the board's")
        beside.annotate(
            f"limit {limit:,}", (100, 1), xycoords=("data", "axes fraction"), xytext=(2, 5), textcoords="offset points",
            ha="right", color=FRONT.light,
        )  # fmt: skip
    for each in figure.axes:
        each.set_ylim(len(entries) - 0.4, -0.6)
        each.grid(visible=True, axis="x")
        each.tick_params(axis="y", length=0)
    return figure


def _bars(axes: Any, starts: Sequence[float], ends: Sequence[float], colour: Colour, name: str) -> None:
    """Draw bars as thick lines: matplotlib takes one object for all, and a twentieth of the time."""
    axes.hlines(range(len(ends)), starts, ends, lw=_BAR * 72 * 0.64, color=colour.light, label=name)
    axes.axvline(0, color=SOFT.light, lw=0.8)


def _stack(axes: Any, entries: Sequence[Entry], kind: str, scale: float) -> None:
    starts = [0.0] * len(entries)
    for name, column, colour in _PARTS[kind]:
        ends = [start + scale * (getattr(entry.row, column) or 0) for start, entry in zip(starts, entries, strict=True)]
        _bars(axes, starts, ends, colour, name)
        starts = ends


def _layers(entry: Entry) -> Plot:
    return Plot(
        _slug("layers", *_names(entry)),
        f"Instructions of each layer of {entry.label} on {entry.place}",
        "One bar for each layer.",
        lambda: _layers_figure(entry),
    )


def _layers_figure(entry: Entry) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    layers = entry.layers
    names = [f"{layer.index} {words.short(words.plain(layer.op), _LABEL)}" for layer in layers]
    counts = [layer.instructions or 0 for layer in layers]
    height = 0.95 + _BAR * len(layers)
    left = 0.25 + max(map(len, names)) * _FONT * _LETTER / 72
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((left / _WIDTH, 0.5 / height, (_WIDTH - left - 0.3) / _WIDTH, _BAR * len(layers) / height))
    _bars(axes, [0] * len(counts), counts, FIRST, "instructions")
    for place, count in enumerate(counts):
        text = f"{count:,} ({100 * count / max(sum(counts), 1):.1f} %)"
        axes.annotate(text, (count, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(layers)), names)
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_xlim(0, 1.3 * max(*counts, 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("instructions")
    axes.set_title(f"{words.short(entry.label, 60)} on {entry.place}", loc="left", fontsize=_FONT)
    return figure


def _confusion(entry: Entry) -> Plot:
    confusion = entry.confusion
    assert confusion is not None
    title = f"{words.short(entry.label, 60)} on {entry.place}"
    return Plot(
        _slug("confusion", *_names(entry)),
        f"Confusion of {entry.label} on {entry.place}",
        "Rows are the true class, columns the answer.",
        lambda: confusion_figure(confusion, title),
    )


def _names(entry: Entry) -> tuple[str, ...]:
    return entry.label, entry.row.board or "", entry.row.where


def _slug(*parts: str) -> str:
    """Return a file's name: letters, digits and `._-` alone, never too long."""
    return "_".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-._")[:60] for part in parts if part)


def _groups(entries: Iterable[Entry], key: Callable[[Entry], Any]) -> list[tuple[Any, list[Entry]]]:
    """Return the entries by key, in the order in which the keys come up."""
    found: dict[Any, list[Entry]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return list(found.items())
