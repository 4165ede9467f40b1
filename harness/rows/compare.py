"""Compare two documents row by row, and hold the change against rules such as `instructions>+0.5%`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import UserError
from harness.nearest import nearest
from harness.rows.direction import Judgement, judge
from harness.rows.layers import LayerPair, match_layers
from harness.rows.measurement import Document, Layer, Row, columns, numeric_columns

KEY = ("model", "board", "where", "optimise", "toolchain")
# When and how long a measurement took says nothing about the model.
_INCIDENTAL = frozenset({"started", "seconds", "row_id", "git_commit", "harness_version"})
_RULE = re.compile(r"\s*(\w+)\s*([<>])\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%?)\s*")

Value = str | int | float | None


@dataclass(frozen=True)
class Rule:
    """A limit on the change of one numeric column; it breaks when the change lies beyond the limit."""

    text: str
    column: str
    above: bool
    limit: float
    relative: bool

    def breaks(self, change: "Change") -> bool:
        """Tell whether `change` breaks this rule; a value that became null does."""
        if change.lost:
            return True
        amount = change.percent if self.relative else change.amount
        if amount is None:
            return False
        return amount > self.limit if self.above else amount < self.limit


@dataclass(frozen=True)
class Change:
    """One column of one row in both documents."""

    key: tuple[str, ...]
    column: str
    old: Value
    new: Value

    @property
    def lost(self) -> bool:
        """Whether a value became null."""
        return self.old is not None and self.new is None

    @property
    def amount(self) -> float | None:
        """NEW - OLD, None unless both are numbers."""
        if isinstance(self.old, int | float) and isinstance(self.new, int | float):
            return self.new - self.old
        return None

    @property
    def percent(self) -> float | None:
        """The change relative to OLD in percent; infinite where OLD is zero and NEW is not."""
        if self.amount is None or not isinstance(self.old, int | float):
            return None
        if self.old == 0:
            return 0.0 if self.amount == 0 else float("inf")
        return 100 * self.amount / self.old


@dataclass(frozen=True)
class Verdict:
    """A rule that broke: on a change, or on a row that is missing in NEW."""

    rule: Rule
    key: tuple[str, ...]
    change: Change | None


@dataclass(frozen=True)
class Comparison:
    """The rows of two documents side by side.

    Attributes:
        changes: every column of every matched row.
        matched: the keys of the rows that both have.
        missing: of those that only OLD has.
        added: of those that only NEW has.
        pairs: key -> the row in OLD, the row in NEW.
        layers: key -> its layers in both.
    """

    changes: tuple[Change, ...]
    matched: tuple[tuple[str, ...], ...]
    missing: tuple[tuple[str, ...], ...]
    added: tuple[tuple[str, ...], ...]
    pairs: Mapping[tuple[str, ...], tuple[Row, Row]] = field(default_factory=dict)
    layers: Mapping[tuple[str, ...], tuple[LayerPair, ...]] = field(default_factory=dict)

    def judge(self, change: Change) -> Judgement:
        """Say whether a change is for the better."""
        return judge(*self.pairs[change.key], change.column)

    def differences(self) -> tuple[Change, ...]:
        """Return the changes where OLD and NEW differ, what is incidental left out."""
        return tuple(c for c in self.changes if c.old != c.new and c.column not in _INCIDENTAL)

    def broken(self, rules: Sequence[Rule]) -> tuple[Verdict, ...]:
        """Return every broken rule, missing rows first."""
        absent = [Verdict(rule, key, None) for key in self.missing for rule in rules]
        changed = [
            Verdict(rule, change.key, change)
            for change in self.changes
            for rule in rules
            if rule.column == change.column and rule.breaks(change)
        ]
        return (*absent, *changed)


def parse_rule(text: str) -> Rule:
    """Read `COLUMN>LIMIT` or `COLUMN<LIMIT`, with a `%` at the end for a change relative to OLD.

    Raises:
        UserError: another form, or a column that is unknown or holds no numbers (the nearest name is given).
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise UserError(f"expected a rule like 'instructions>+0.5%' or 'accuracy<-0.5', got {text!r}")
    column, sign, limit, percent = match.groups()
    if column not in numeric_columns():
        raise UserError(_unknown_column(column))
    return Rule(text.strip(), column, sign == ">", float(limit), percent == "%")


def compare(old: Document, new: Document) -> Comparison:
    """Match the rows of both documents by model, board, where, optimise and toolchain.

    Raises:
        UserError: no row of `old` has its like in `new`, or two rows of one document are alike.
    """
    before, after = _by_key(old.rows, "OLD"), _by_key(new.rows, "NEW")
    matched = tuple(key for key in before if key in after)
    if not matched:
        raise UserError(
            f"no row of OLD matches one of NEW by {', '.join(KEY)}: "
            f"OLD has {_name_some(before)}, NEW has {_name_some(after)}"
        )
    changes = tuple(
        Change(key, column, getattr(before[key], column), getattr(after[key], column))
        for key in matched
        for column in columns()
    )
    ours, theirs = _by_row(old.layers), _by_row(new.layers)
    return Comparison(
        changes,
        matched,
        missing=tuple(key for key in before if key not in after),
        added=tuple(key for key in after if key not in before),
        pairs={key: (before[key], after[key]) for key in matched},
        layers={
            key: match_layers(ours.get(before[key].row_id, ()), theirs.get(after[key].row_id, ())) for key in matched
        },
    )


def _by_row(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        found.setdefault(layer.row_id, []).append(layer)
    return found


def _by_key(rows: Iterable[Row], name: str) -> dict[tuple[str, ...], Row]:
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(str(getattr(row, column) or "") for column in KEY)
        if key in found:
            raise UserError(f"expected each row of {name} once, got {' / '.join(filter(None, key))} twice")
        found[key] = row
    return found


def _name_some(rows: dict[tuple[str, ...], Row]) -> str:
    names = [" / ".join(filter(None, key)) for key in list(rows)[:2]]
    more = [f"{len(rows) - 2} more"] if len(rows) > 2 else []
    return " and ".join(names + more) or "none"


def _unknown_column(column: str) -> str:
    if column in columns():
        return f"expected a column that holds numbers, got {column!r}: a rule cannot speak about it"
    near = nearest(column, numeric_columns())
    hint = f"did you mean {near!r}?" if near else f"known are {', '.join(numeric_columns())}"
    return f"unknown column {column!r} in a rule: {hint}"
