"""`harness compare`: two runs side by side, and the rules that a change must keep."""

from collections.abc import Sequence
from pathlib import Path

from harness.rows.compare import Comparison, Verdict, compare, parse_rule
from harness.rows.store import read_document


def compare_runs(old: Path, new: Path, rules: Sequence[str]) -> tuple[Comparison, tuple[Verdict, ...]]:
    """Compare the documents of two run folders (or rows.json files).

    Returns:
        What changed, and every rule that broke.

    Raises:
        UserError: a file that cannot be read, a rule that makes no sense, or no row that matches.
    """
    parsed = [parse_rule(rule) for rule in rules]
    comparison = compare(read_document(old), read_document(new))
    return comparison, comparison.broken(parsed)


def verdict_line(verdicts: Sequence[Verdict]) -> str:
    """Return one line about the rules that broke."""
    return "; ".join(dict.fromkeys(map(_word, verdicts)))


def _word(verdict: Verdict) -> str:
    name = " / ".join(part for part in verdict.key if part)
    if verdict.change is None:
        return f"{name} is missing in NEW"
    change = verdict.change
    return f"{name}: {verdict.rule.text} broke, {change.column} went from {change.old} to {change.new}"
