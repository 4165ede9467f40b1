"""A comparison as a comment on a pull request: the verdict in one line, the changed columns, the layers behind them.

Names come from other people's files. They are escaped, and stand in `<code>`, where GitHub notifies nobody of an `@`.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

from harness.report import terminal, words
from harness.report.markdown import escape
from harness.rows.compare import Change, Comparison, Verdict
from harness.rows.direction import HEADLINES
from harness.rows.layers import LayerPair, culprit, most_moved

LIMIT = 65_536
"""GitHub's, in characters; kept in bytes, of which there are never fewer."""
LAYERS = 5
"""Most layers shown of a row."""

_TABLE = 44_000
"""Bytes that the table may take of the limit."""
_NOTES = 1_000
"""Bytes kept for the lines that say what was left out."""
_SOME = 3
"""Most rows named at one place of the verdict."""
_NAME = 64
_RANKS = ("broken", "worse", "better", "changed")

Key = tuple[str, ...]
_Item = TypeVar("_Item")


def comment(compared: Comparison, verdicts: Sequence[Verdict]) -> str:
    """Return a comparison in GitHub's Markdown, at most `LIMIT` bytes long."""
    broken: dict[Change, str] = {verdict.change: verdict.rule.text for verdict in verdicts if verdict.change}
    changes = sorted(compared.differences(), key=lambda change: _rank(compared, change, broken))
    by_row = _by_row(changes)
    parts = [_verdict(compared, verdicts, changes)]
    if changes:
        lines = [_line(compared, change, broken) for row in by_row.values() for change in row]
        parts.append(_table(("model", "where", "column", "old", "new", "change", ""), lines, _TABLE, "changed values"))
    parts += _lists(compared, verdicts)
    unchanged = len(compared.matched) - len(by_row)
    parts += [f"{unchanged} of {len(compared.matched)} rows are unchanged."] if unchanged else []
    if any(words.is_emulated(row) for pair in compared.pairs.values() for row in pair):
        parts.append(words.EMULATED_NOTE)
    left = LIMIT - _NOTES - sum(_size(part) + 2 for part in parts)
    parts += _within([block for key in by_row for block in _layers(compared, key)], left, "tables of layers")
    return "\n\n".join(parts) + "\n"


def _rank(compared: Comparison, change: Change, broken: dict[Change, str]) -> int:
    return _RANKS.index("broken" if change in broken else compared.judge(change))


def _by_row(changes: Iterable[Change]) -> dict[Key, list[Change]]:
    """Return the changes of each row together; the row that comes first has the first of all changes."""
    found: dict[Key, list[Change]] = {}
    for change in changes:
        found.setdefault(change.key, []).append(change)
    return found


def _verdict(compared: Comparison, verdicts: Sequence[Verdict], changes: Sequence[Change]) -> str:
    """Return the one line on top: which rule broke, what got worse, what better."""
    parts = []
    if verdicts:
        rules = list(dict.fromkeys(verdict.rule.text for verdict in verdicts))
        parts.append(f"**{_count(len(rules), 'rule')} broke**: {_some(verdicts, lambda one: _broke(compared, one))}.")
    headlines = [change for change in changes if change.column in ("status", *HEADLINES)]
    for judgement in ("worse", "better"):
        judged = [change for change in headlines if compared.judge(change) == judgement]
        if judged:
            parts.append(f"**{judgement.capitalize()}**: {'; '.join(_by_column(judged))}.")
    if not parts and changes:
        parts.append(f"**Nothing got better or worse in sum**: {_count(len(changes), 'value')} changed.")
    if not parts:
        parts.append(f"**No change** in {_count(len(compared.matched), 'row')}.")
    return " ".join(parts)


def _broke(compared: Comparison, verdict: Verdict) -> str:
    place = f"{_name(verdict.key[0])} on {escape(terminal.where(verdict.key))}"
    if verdict.change is None:
        return f"{place} is missing"
    found = culprit(compared.layers.get(verdict.key, ()), verdict.change.column, verdict.change.amount or 0)
    most = f", most in {_layer(found[0])}: {found[0].moved(found[1]):+,} {found[1]}" if found else ""
    return f"<code>{escape(verdict.rule.text)}</code> by {place}{most}"


def _by_column(changes: Sequence[Change]) -> list[str]:
    """Return for each column what it changed by, and in which rows."""
    order = ("status", *HEADLINES)
    ordered = sorted(changes, key=lambda change: order.index(change.column))
    groups = groupby(ordered, key=lambda change: change.column)
    return [f"{column} {_some(list(group), _short_amount)}" for column, group in groups]


def _short_amount(change: Change) -> str:
    if change.amount is None:
        amount = "became unknown" if change.lost else f"is now {escape(terminal.value(change.new))}"
    elif change.column == "accuracy":
        amount = f"{change.amount:+.2f} points"
    else:
        amount = f"{change.amount:+,}" if change.old == 0 else f"{change.percent:+.2f} %"
    return f"{amount} ({_name(change.key[0])})"


def _line(compared: Comparison, change: Change, broken: dict[Change, str]) -> str:
    old, new = compared.pairs[change.key]
    estimate = words.is_estimated(old, change.column) or words.is_estimated(new, change.column)
    judgement = f"**{compared.judge(change)}**" if compared.judge(change) != "changed" else "changed"
    rule = f", breaks <code>{escape(broken[change])}</code>" if change in broken else ""
    cells = (
        _name(change.key[0]),
        escape(terminal.where(change.key)),
        escape(change.column) + (" (estimate)" if estimate else ""),
        escape(terminal.value(change.old)),
        escape(terminal.value(change.new)),
        escape("is now known" if change.old is None else terminal.amount(change)),
        judgement + rule,
    )
    return _cells(cells)


def _lists(compared: Comparison, verdicts: Sequence[Verdict]) -> list[str]:
    """Return the rows that only one run has."""
    breaks = ", breaks every rule" if any(verdict.change is None for verdict in verdicts) else ""
    lines = [f"- only in OLD: {_place(key)}{breaks}" for key in compared.missing]
    lines += [f"- only in NEW: {_place(key)}" for key in compared.added]
    more = [f"- and {len(lines) - 20} more"] if len(lines) > 20 else []
    return ["\n".join(lines[:20] + more)] if lines else []


def _layers(compared: Comparison, key: Key) -> list[str]:
    """Return the layers that changed most of a row whose instructions (on a board: cycles) changed; else nothing."""
    old, new = compared.pairs[key]
    column = "cycles" if old.instructions is None and new.instructions is None else "instructions"
    if getattr(old, column) == getattr(new, column):
        return []
    moved = most_moved(compared.layers.get(key, ()), column, LAYERS)
    if not moved:
        return []
    estimate = " (estimate)" if words.is_estimated(new, column) else ""
    lines = [_layer_line(pair, column) for pair in moved]
    table = _table(("layer", f"old {column}{estimate}", "new", "change", ""), lines, LIMIT, "layers")
    summary = f"<summary>{_place(key)}: the layers whose {column} changed most</summary>"
    return [f"<details>{summary}\n\n{table}\n\n</details>"]


def _layer_line(pair: LayerPair, column: str) -> str:
    old, new = pair.values(column)
    word = "gone" if pair.new is None else "added" if pair.old is None else None
    moved = pair.moved(column)
    percent = f" ({100 * moved / old:+.2f} %)" if old else ""
    judgement = word or ("**worse**" if moved > 0 else "**better**")
    return _cells((_layer(pair), words.count(old), words.count(new), f"{moved:+,}{percent}", judgement))


def _table(heads: Sequence[str], lines: Sequence[str], most: int, what: str) -> str:
    """Return a table of at most `most` bytes, and a line about what does not fit."""
    kept, size = 0, 0
    while kept < len(lines) and size + _size(lines[kept]) < most:
        size += _size(lines[kept]) + 1
        kept += 1
    table = "\n".join([_cells(heads), _cells(["---"] * len(heads)), *lines[:kept]])
    return table if kept == len(lines) else f"{table}\n\n{_left_out(len(lines) - kept, what)}"


def _within(blocks: Sequence[str], most: int, what: str) -> list[str]:
    """Return the first blocks that fit, and a line about the others."""
    kept: list[str] = []
    for block in blocks:
        most -= _size(block) + 2
        if most < 0:
            return [*kept, _left_out(len(blocks) - len(kept), what)]
        kept.append(block)
    return kept


def _left_out(count: int, what: str) -> str:
    return f"**Cut**: {count} more {what} do not fit in a comment; `harness compare` without `--markdown` shows all."


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _place(key: Key) -> str:
    return f"{_name(key[0])} on {escape(terminal.where(key))}"


def _layer(pair: LayerPair) -> str:
    layer = pair.layer
    return f"{layer.index} {escape(words.short(layer.op, 32))} {_name(layer.name)}"


def _name(text: str) -> str:
    return f"<code>{escape(words.short(text, _NAME))}</code>"


def _some(items: Sequence[_Item], write: Callable[[_Item], str]) -> str:
    more = [f"{len(items) - _SOME} more"] if len(items) > _SOME else []
    return ", ".join([*map(write, items[:_SOME]), *more])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _size(text: str) -> int:
    return len(text.encode())
