"""`harness compare`: two runs side by side, and the rules that a change must keep."""

from collections.abc import Sequence
from pathlib import Path

from harness.errors import UserError
from harness.flows.settings import FILE, SECTION, read_settings
from harness.report.progress import Speaker
from harness.rows.compare import Comparison, Verdict, compare, parse_rule
from harness.rows.history import newest
from harness.rows.layers import culprit
from harness.rows.store import read_document, read_store


def choose_runs(
    old: Path | None, new: Path | None, rules: Sequence[str] | None, speaker: Speaker
) -> tuple[Path, Path, Sequence[str]]:
    """Complete a command line from the settings: OLD is the baseline, NEW the newest run, the rules are `fail-on`.

    Args:
        old: None where it was not given.
        new: the same.
        rules: the same; those that were given replace the settings'.
        speaker: names what was chosen, and the run folders that are damaged.

    Raises:
        UserError: the settings are bad, name no baseline or one that is not there, or there is no run.
    """
    settings = read_settings()
    old = old or settings.baseline
    if old is None:
        raise UserError(f"expected OLD and NEW, or a baseline under {SECTION} in {FILE}, got neither")
    if old == settings.baseline and not old.exists():
        raise UserError(f"expected the baseline {old}, got no such folder: harness bench --out {old} makes it")
    new = new or _newest(settings.runs, speaker)
    return old, new, settings.fail_on if rules is None else rules


def _newest(runs: Path, speaker: Speaker) -> Path:
    store = read_store(runs)
    for line in store.damaged:
        speaker.shout(f"left out, damaged: {line}")
    found = newest(store.runs)
    if found is None:
        raise UserError(f"expected a run in {runs} to compare with, got none: run harness bench first")
    speaker.say(f"the newest run is {found.folder}")
    return found.folder


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


def verdict_line(comparison: Comparison, verdicts: Sequence[Verdict]) -> str:
    """Return one line about the rules that broke, each with the layer that did most for it, where that is known."""
    return "; ".join(dict.fromkeys(_word(comparison, verdict) for verdict in verdicts))


def _word(comparison: Comparison, verdict: Verdict) -> str:
    name = " / ".join(part for part in verdict.key if part)
    if verdict.change is None:
        return f"{name} is missing in NEW"
    change = verdict.change
    found = culprit(comparison.layers.get(verdict.key, ()), change.column, change.amount or 0)
    broke = f"{name}: {verdict.rule.text} broke, {change.column} went from {change.old} to {change.new}"
    if found is None:
        return broke
    pair, column = found
    layer = pair.layer
    return f"{broke}, most in layer {layer.index} ({layer.op} {layer.name[:64]}): {pair.moved(column):+,} {column}"
