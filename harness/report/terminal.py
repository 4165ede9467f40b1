"""Tables for a terminal, at most 120 characters wide."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from rich import box
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report import words
from harness.rows.compare import Change, Comparison, Verdict
from harness.rows.measurement import Confusion, Document, Row

WIDTH = 120
_BAR = 16

COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("accuracy", words.accuracy),
    ("latency", words.latency),
    ("instructions", lambda row: words.count(row.instructions)),
    ("flash B", lambda row: words.count(row.flash_total_bytes)),
    ("RAM B", lambda row: words.count(row.ram_total_bytes)),
    ("bit-exact", words.bit_exact),
)


def summary(document: Document) -> RenderableType:
    """Return the one table a run ends with, and the notes its figures need."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("model", overflow="fold")
    table.add_column("board", overflow="fold")
    for name, _ in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in document.rows:
        table.add_row(_model(row), _text(words.place(row)), *(Text(cell(row)) for _, cell in COLUMNS))
    return Group(table, *(_text(note, "dim") for note in notes(document)))


def plain_summary(document: Document) -> str:
    """Return `summary` as text without colours, for a Python prompt."""
    text = StringIO()
    Console(file=text, width=WIDTH, color_system=None).print(summary(document))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def notes(document: Document) -> list[str]:
    """Return what a reader must know about the figures, each once: failures, what accuracy is of, estimates."""
    lines = [f"{row.model}: {row.status}: {row.error}" for row in document.rows if row.error]
    datasets: dict[tuple[str, int | None], list[Row]] = {}
    for row in document.rows:
        if row.dataset is not None:
            datasets.setdefault((row.dataset, row.samples), []).append(row)
    for (dataset, samples), rows in datasets.items():
        meaning = "" if any(row.accuracy is not None for row in rows) else " (no labels, so no accuracy)"
        lines.append(f"{', '.join(dict.fromkeys(row.model for row in rows))}: {samples} samples of {dataset}{meaning}")
    for row in document.rows:
        if row.card_accuracy is not None and row.card_dataset != row.dataset:
            card = f"{row.card_accuracy:.1f} % on {row.card_samples} samples of {row.card_dataset}"
            lines.append(f"{row.model}: its model card says {card}")
    if any(words.is_estimate(row) for row in document.rows):
        lines.append(words.ESTIMATE_NOTE)
    return list(dict.fromkeys(lines))  # what holds of a model on one board holds on the next


def headline(row: Row) -> str:
    """Say in one line how good a model is on which data."""
    return words.plain(f"{row.model}: {words.accuracy(row)} of {words.count(row.samples)} samples of {row.dataset}")


def recall(confusion: Confusion) -> RenderableType:
    """Return the recall of every class."""
    table = Table("class", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("recall", justify="right")
    table.add_column("samples", justify="right")
    for label, percent, samples in confusion.recall():
        table.add_row(_text(label), words.UNKNOWN if percent is None else f"{percent:.1f} %", words.count(samples))
    return table


def differences(comparison: Comparison, verdicts: tuple[Verdict, ...]) -> RenderableType:
    """Return what changed between two documents, and which rules broke."""
    broken = {verdict.change: verdict.rule.text for verdict in verdicts if verdict.change is not None}
    table = Table("model", "board", "column", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("old", "new", "change"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("broken rule", overflow="fold")
    shown = comparison.differences()
    for change in shown:
        rule = broken.get(change)
        cells = (change.key[0], where(change.key), change.column, value(change.old), value(change.new), amount(change))
        table.add_row(*map(_text, cells), _text(rule or "", "bold red"))
    lines = [_text(line) for line in rows_in_one_document(comparison, verdicts)]
    if not shown:
        return Group(Text(f"no differences in {len(comparison.matched)} rows"), *lines)
    return Group(table, *lines)


def rows_in_one_document(comparison: Comparison, verdicts: tuple[Verdict, ...]) -> list[str]:
    """Return a line for every row that only one of the documents has."""
    breaks = ", breaks every rule" if any(verdict.change is None for verdict in verdicts) else ""
    gone = [f"only in OLD: {key[0]} on {where(key)}{breaks}" for key in comparison.missing]
    return gone + [f"only in NEW: {key[0]} on {where(key)}" for key in comparison.added]


def where(key: tuple[str, ...]) -> str:
    """Write the board, the place and what was optimised for of a comparison's key."""
    _, board, place, optimise, _ = key
    return f"{board or 'host'} ({place}{', ' + optimise if optimise else ''})"


def value(found: str | float | int | None) -> str:
    """Write one value of a comparison."""
    if found is None:
        return words.UNKNOWN
    if isinstance(found, str):
        return words.short(found, 24)
    return f"{found:,}" if isinstance(found, int) else f"{found:,.3f}"


def amount(change: Change) -> str:
    """Write how much a value changed: `+120 (+0.8 %)`, or what became of it."""
    if change.amount is None:
        return "became unknown" if change.lost else "changed"
    digits = f"{change.amount:+,}" if isinstance(change.amount, int) else f"{change.amount:+,.3f}"
    return digits if change.old == 0 else f"{digits} ({change.percent:+.2f} %)"


def layers(report: Any) -> RenderableType:
    """Return the layers that differ from the oracle; `report` is what `harness diff` found."""
    place, checked = (
        f"{report.model} on {report.board} ({report.where})",
        f"{report.samples} samples of {report.dataset}",
    )
    if report.first is None:
        return _text(f"{place}: all {len(report.layers)} layers agree with the oracle on {checked}")
    table = Table("layer", "op", "name", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("elements", "differing", "largest difference"):
        table.add_column(name, justify="right")
    differing = [layer for layer in report.layers if layer.differing]
    for layer in differing:
        largest = words.UNKNOWN if layer.max_difference is None else f"{layer.max_difference:g}"
        cells = (str(layer.index), layer.op, words.short(layer.name))
        table.add_row(*map(_text, cells), words.count(layer.elements), words.count(layer.differing), largest)
    line = f"{place}: {len(differing)} of {len(report.layers)} layers differ from the oracle on {checked}"
    return Group(table, _text(line))


def profile(report: Any) -> RenderableType:
    """Return where an inference spends its time; `report` is what `harness profile` found."""
    figures = (
        f"{words.count(report.instructions)} instructions",
        f"{words.cycles(report)} cycles",
        words.latency(report),
    )
    line = f"{report.model} on {report.board} ({report.where}): {', '.join(figures)}"
    parts: list[RenderableType] = [_text(line, "bold"), _layer_shares(report)]
    if report.functions is None:
        parts.append(_text(f"functions are unknown: {report.reason}"))
    else:
        parts.append(_function_shares(report))
    notes = [words.ESTIMATE_NOTE] if words.is_estimate(report) else []
    return Group(*parts, *(_text(note, "dim") for note in notes))


def _layer_shares(report: Any) -> Table:
    table = Table("layer", "op", "name", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    _add_share_columns(table)
    most = max((layer.cycles for layer in report.layers), default=1)
    for layer in report.layers:
        cells = (str(layer.index), words.short(layer.op, 18), words.short(layer.name, 16))
        table.add_row(*map(_text, cells), words.count(layer.macs), *_share(layer, report, most))
    return table


def _function_shares(report: Any) -> Table:
    table = Table("function", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("code B", justify="right", no_wrap=True)
    _add_share_columns(table)
    most = max((function.cycles for function in report.functions), default=1)
    for function in report.functions:
        cells = (_text(words.short(function.name, 38)), words.count(function.code_bytes))
        table.add_row(*cells, *_share(function, report, most))
    return table


def _add_share_columns(table: Table) -> None:
    for name in ("instructions", "cycles", "ms", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", width=_BAR)


def _share(part: Any, report: Any, most: int) -> tuple[RenderableType, ...]:
    """Return the cells of a layer or function: instructions, cycles, milliseconds, percent, and a bar."""
    share = part.cycles / max(report.cycles, 1)
    milliseconds = f"{share * report.latency_low_ms:.2f}-{share * report.latency_high_ms:.2f}"
    numbers = (words.count(part.instructions), words.count(part.cycles), milliseconds, f"{100 * share:.1f} %")
    return (*map(Text, numbers), Bar(max(most, 1), 0, part.cycles, width=_BAR))


def boards(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return the boards of `boards --json` as a table."""
    table = Table("board", "mcu", "core", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("clock MHz", "flash B", "RAM B"):
        table.add_column(name, justify="right")
    table.add_column("emulated by")
    table.add_column("attached")
    for board in found:
        numbers = (f"{board['clock_hz'] / 1e6:g}", words.count(board["flash_bytes"]), words.count(board["ram_bytes"]))
        attached = "yes" if board["attached"] else "no"
        table.add_row(
            board["name"], board["mcu"], board["core"], *numbers, board["emulator"] or words.UNKNOWN, attached
        )
    return table


def findings(found: Iterable[Any], plan: Any) -> RenderableType:
    """Return what the doctor found: objects with `name`, `ok`, `needed` and `found`; below, what mends it.

    `plan` has `steps` with `commands`, and `words`; they stand outside the table, where they can be copied whole.
    """
    table = Table("", "what", "found", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        mark = "ok" if one.ok else "missing" if one.needed else "note"
        style = "green" if one.ok else "red" if one.needed else "yellow"
        table.add_row(Text(mark, style=style), _text(one.name), _text(one.found))
    commands = "\n".join(str(command) for step in plan.steps for command in step.commands).splitlines()
    return Group(
        table,
        *([Text("harness setup asks, then runs:")] if commands else []),
        *(_text(command) for command in commands),
        *(_text(f"for you to do: {words}") for words in plan.words),
    )


def _model(row: Row) -> Text:
    return _text(row.model) if row.status == "ok" else _text(f"{row.model} ({row.status})", "red")


def _text(text: str, style: str = "") -> Text:
    """Return `text` as it is: no markup and no escape sequence in a name reaches the terminal."""
    return Text(words.plain(text), style=style)


def plan(report: Any) -> RenderableType:
    """Return what a model will take on a board; `report` is what `harness plan` found."""
    latency = f"~{report.latency_ms:.1f} ms ({report.latency_low_ms:.1f}-{report.latency_high_ms:.1f})"
    lines = [
        f"{report.model} on {report.board}, {report.optimise}: nothing built, every figure an estimate",
        f"time   {words.count(report.instructions)} instructions, {words.count(report.cycles)} cycles, {latency}",
        f"flash  {words.count(report.flash_total_bytes)} of {words.count(report.flash_bytes)} bytes: weights "
        f"{words.count(report.flash_weights_bytes)}, code about {words.count(report.flash_code_bytes)}",
        f"RAM    {words.count(report.ram_total_bytes)} of {words.count(report.ram_bytes)} bytes: arena "
        f"{words.count(report.ram_arena_bytes)}{' (the least)' if report.ram_arena_optimal else ''}, stack about "
        f"{words.count(report.ram_stack_bytes)}",
        "it fits" if report.fits else f"it does not fit: {'; '.join(report.problems)}",
    ]
    table = Table("layer", "op", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("instructions", "cycles", "i/MAC", "weights B", "arena B"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("kernel", overflow="fold")
    for layer in report.layers:
        rate = f"{layer.instructions / layer.macs_executed:.2f}" if layer.macs_executed else ""
        figures = (layer.instructions, layer.cycles)
        table.add_row(
            str(layer.index), _text(layer.op), *(words.count(figure) for figure in figures), rate,
            words.count(layer.weights_bytes), words.count(layer.arena_bytes),
            _text(layer.note, "yellow" if layer.fallback else ""),
        )  # fmt: skip
    fallen = [f"{layer.index} ({words.short(layer.name, 40)})" for layer in report.layers if layer.fallback]
    note = f"fell back to portable C: layers {', '.join(fallen)}" if fallen else "no layer fell back to portable C"
    return Group(_text(lines[0], "bold"), *map(_text, lines[1:]), table, _text(note), Text(report.picture))
