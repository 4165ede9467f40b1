"""`report.html`: everything about one or several runs on one page that needs nothing else, not even JavaScript.

Names come from other people's files, so the template escapes everything it is given, and the page's own policy lets no
script run but its own and no address be loaded.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report import words
from harness.report.confusion import mistakes
from harness.report.entries import Entry, Limits, Source, entries_of
from harness.report.figures import as_svg, overview
from harness.report.inline import inline
from harness.report.templates import FOLDER, render
from harness.rows.measurement import Confusion, Layer, Row

_CELLS = 30
"""Most classes whose matrix is shown; of more, the commonest mistakes are."""
_DARK = 0.55
"""From this share of its row a cell is so dark that its count is white."""
_OPEN = 4
"""Most rows whose details are open from the start."""


@dataclass(frozen=True)
class Share:
    """A layer and its part of an inference, percent; None where nothing was counted."""

    layer: Layer
    percent: float | None


def page(sources: Sequence[Source], limits: Mapping[str, Limits]) -> str:
    """Return the page.

    Args:
        sources: the runs; a table column names them where there are several.
        limits: board -> what a program may use of it.
    """
    from markupsafe import Markup

    entries = entries_of(sources, limits)
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    return render(
        "report.html.j2",
        sources=sources,
        entries=entries,
        estimated=any(words.is_estimate(entry.row) for entry in entries),
        plots=[(title, kind, Markup(svg)) for title, kind, svg in _plots(entries)],
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        shares=_shares,
        matrix=_matrix,
        provenance=_provenance,
        run_provenance=_run_provenance,
        mistakes=mistakes,
        most_cells=_CELLS,
        open=len(entries) <= _OPEN,
    )


def _plots(entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """Return (title, CSS class, `<svg>` element) of every plot."""
    return [
        (plot.title, plot.kind, inline(as_svg(plot), f"plot{number}", plot.title, plot.description))
        for number, plot in enumerate(overview(entries), start=1)
    ]


def _shares(layers: Sequence[Layer]) -> list[Share]:
    """Return each layer's part of the instructions, or of the cycles where a board counts nothing else."""
    counts = [layer.cycles if layer.instructions is None else layer.instructions for layer in layers]
    total = sum(count or 0 for count in counts)
    return [
        Share(layer, 100 * count / total if total and count is not None else None)
        for layer, count in zip(layers, counts, strict=True)
    ]


def _matrix(confusion: Confusion) -> list[tuple[str, list[tuple[int, float, str]], float | None]]:
    """Return (label, cells, recall in percent) of every true class; a cell is (count, share of its row, class)."""
    lines = []
    for true, (label, recall, total) in enumerate(confusion.recall()):
        counts = confusion.matrix[true]
        shares = [count / max(total, 1) for count in counts]
        kinds = [
            ("r" if true == answer else "w") + (" s" if share > _DARK else "") for answer, share in enumerate(shares)
        ]
        lines.append((label, [*zip(counts, shares, kinds, strict=True)], recall))
    return lines


def _provenance(row: Row) -> list[tuple[str, Any]]:
    """Return what is known of where a row comes from, name by name."""
    clock = None if row.clock_hz is None else f"{row.clock_hz / 1e6:g} MHz"
    board = ", ".join(part for part in (row.board, row.mcu, row.core, clock) if part)
    cycles = None
    if row.cycles is not None:
        source = "estimate" if row.cycles_source == "estimated" else "measured"
        cycles = f"{words.cycles(row)} ({source}, by {row.cycles_method or 'an unknown method'})"
    card = None
    if row.card_accuracy is not None:
        card = f"{row.card_accuracy:.1f} % of {words.count(row.card_samples)} samples of {row.card_dataset}"
    overhead = None
    if row.firmware_overhead_flash_bytes is not None:
        flash, ram = row.firmware_overhead_flash_bytes, row.firmware_overhead_ram_bytes
        overhead = f"{words.count(flash)} B flash, {words.count(ram)} B RAM, not in the figures above"
    found = (
        ("model sha256", row.model_sha256),
        ("board", board),
        ("measured on", row.emulator or row.where),
        ("engine", row.engine),
        ("favours", row.optimise),
        ("compiler", row.toolchain),
        ("flags", row.flags),
        ("cycles", cycles),
        ("model card", card),
        ("firmware adds", overhead),
        ("harness", row.harness_version),
        ("commit", row.git_commit),
        ("when", _when(row.started)),
        ("took", None if row.seconds is None else f"{row.seconds:.1f} s"),
    )
    return [(name, value) for name, value in found if value]


def _when(started: str | None) -> str | None:
    return started and started.replace("T", " ").replace("+00:00", " UTC")


def _run_provenance(source: Source) -> list[tuple[str, str]]:
    """Return what is known of where a run comes from."""
    rows = source.document.rows
    columns = ("harness_version", "git_commit", "toolchain", "emulator")
    names = ("harness", "commit", "compiler", "emulator")
    known = [", ".join(dict.fromkeys(filter(None, (getattr(row, column) for row in rows)))) for column in columns]
    started = min((row.started for row in rows if row.started), default="")
    told = [("run", source.name), ("command", source.document.command), ("when", _when(started))]
    return [(name, value or "unknown") for name, value in (*told, *zip(names, known, strict=True))]
