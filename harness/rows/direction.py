"""Which way is better for a column, and whether a change of it says anything about the model."""

from typing import Literal

from harness.rows.measurement import Row

Judgement = Literal["better", "worse", "changed", "same"]

HEADLINES = (
    "accuracy", "instructions", "cycles", "latency_ms", "flash_total_bytes", "ram_total_bytes", "energy_uj",
    "bit_exact_samples",
)  # fmt: skip
"""What a change is summed up by; the other columns are parts of these, or say how they came about."""

_UP = frozenset({"accuracy", "card_accuracy", "bit_exact_samples"})
_DOWN = frozenset({"instructions", "cycles", "latency_ms", "latency_low_ms", "latency_high_ms", "energy_uj"})
_MEASURED_ON_DATA = frozenset({"accuracy", "bit_exact_samples"})
_STATUSES = ("failed", "partial", "ok")


def better_sign(column: str) -> int:
    """Return 1 where more is better, -1 where less is, 0 where a change is neither."""
    if column in _UP:
        return 1
    less = column in _DOWN or (column.startswith(("flash_", "ram_", "firmware_")) and column.endswith("_bytes"))
    return -1 if less else 0


def judge(old: Row, new: Row, column: str) -> Judgement:
    """Say whether a column got better or worse from one row to another of the same model and place.

    A value that became null got worse; what was measured on other data is only "changed".
    """
    before, after = getattr(old, column), getattr(new, column)
    if before == after:
        return "same"
    if column == "status":
        return "better" if _STATUSES.index(after) > _STATUSES.index(before) else "worse"
    sign = better_sign(column)
    if sign == 0 or before is None or (column in _MEASURED_ON_DATA and not same_data(old, new)):
        return "changed"
    return "worse" if after is None or (after - before) * sign < 0 else "better"


def same_data(old: Row, new: Row) -> bool:
    """Tell whether two rows were measured on the same samples."""
    return (old.dataset, old.samples) == (new.dataset, new.samples)
