"""Markdown: the `report.md` of a run.

Names come from other people's files, so everything is escaped: no name can become markup, a link or a table cell.
"""

import html
import re
from collections.abc import Callable, Iterable, Sequence

from harness.report import terminal, words
from harness.rows.measurement import Document, Layer, Row

_MARKUP = re.compile(r"[\\`*_\[\]|~]|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE)


def escape(text: str) -> str:
    """Return `text` so that Markdown and the HTML made from it show it letter by letter, on one line."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(words.plain(text), quote=False))


def report(document: Document) -> str:
    """Return the report of a run: figures, sizes, layers and where it all came from."""
    parts = ["# Benchmark report", _table(_FIGURES, document.rows)]
    parts += ["\n".join(f"- {escape(note)}" for note in terminal.notes(document))]
    parts += ["## Memory, in bytes", _table(_SIZES, document.rows)]
    parts += [_layers(row, document.layers) for row in document.rows]
    parts += ["## Provenance", *(_provenance(row) for row in document.rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


_Column = tuple[str, Callable[[Row], str]]


def _number(column: str) -> Callable[[Row], str]:
    return lambda row: words.count(getattr(row, column))


_NAME: tuple[_Column, ...] = (
    ("model", lambda row: row.model),
    ("board", words.place),
    ("status", lambda row: row.status),
)
_FIGURES: tuple[_Column, ...] = (
    *_NAME,
    ("accuracy", words.accuracy),
    ("bit-exact", words.bit_exact),
    ("latency", words.latency),
    ("cycles", words.cycles),
    ("instructions", _number("instructions")),
    ("MACs", _number("macs")),
    ("energy µJ", words.energy),
)
_SIZES: tuple[_Column, ...] = (
    *_NAME[:2],
    ("flash: weights", _number("flash_weights_bytes")),
    ("code", _number("flash_code_bytes")),
    ("total", _number("flash_total_bytes")),
    ("RAM: arena", _number("ram_arena_bytes")),
    ("static", _number("ram_static_bytes")),
    ("stack", _number("ram_stack_bytes")),
    ("total", _number("ram_total_bytes")),
    ("firmware's own flash", _number("firmware_overhead_flash_bytes")),
    ("and RAM", _number("firmware_overhead_ram_bytes")),
)
_PROVENANCE = (
    *("model_sha256", "clock_hz", "emulator", "optimise", "engine", "toolchain", "flags"),
    *("cycles_method", "cycles_source", "latency_source", "harness_version", "git_commit", "started", "seconds"),
)


def _table(columns: Sequence[_Column], rows: Iterable[Row]) -> str:
    return cells([name for name, _ in columns], [[write(row) for _, write in columns] for row in rows])


def cells(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in GitHub's Markdown, every cell escaped."""
    from tabulate import tabulate

    escaped = [[escape(cell) for cell in row] for row in rows]
    return str(tabulate(escaped, headers=list(heads), tablefmt="github", disable_numparse=True))


def _layers(row: Row, layers: Iterable[Layer]) -> str:
    mine = [layer for layer in layers if layer.row_id == row.row_id]
    if not mine:
        return ""
    total = sum(layer.instructions or 0 for layer in mine)
    shares = [
        (
            str(layer.index),
            words.short(layer.name),
            layer.op,
            words.count(layer.macs),
            words.count(layer.instructions),
            f"{100 * (layer.instructions or 0) / total:.1f} %" if total else words.UNKNOWN,
        )
        for layer in mine
    ]
    heads = ("layer", "name", "operator", "MACs", "instructions", "share")
    return f"## Layers of {escape(row.model)} on {escape(words.place(row))}\n\n" + cells(heads, shares)


def _provenance(row: Row) -> str:
    lines = [f"{name}: {escape(str(getattr(row, name)))}" for name in _PROVENANCE if getattr(row, name) is not None]
    return "\n".join([f"### {escape(row.model)} on {escape(words.place(row))}", "", *(f"- {line}" for line in lines)])
