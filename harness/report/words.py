"""How a row's values are written for people, the same in the terminal and in Markdown.

A figure that no board gave is marked with `~`: an emulator's cycles and latency are estimates, whatever their digits
say.
"""

import re

from harness.rows.measurement import Row

UNKNOWN = "-"
ESTIMATE_NOTE = (
    "~ estimated, not measured on a board: an emulator counts instructions exactly, but cycles and time come from a "
    "model of the core; the band in brackets is how far published hardware figures lie from it."
)
EMULATED_NOTE = (
    "Emulated: every figure is an estimate of what a board would give. Instructions are counted exactly; cycles and "
    "latency come from a model of the core."
)
_OF_CYCLES = ("cycles",)
_OF_TIME = ("latency_ms", "latency_low_ms", "latency_high_ms", "energy_uj")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")


def plain(text: str) -> str:
    """Return `text` on one line, without the control characters that a file's or a model's names may hold."""
    return _CONTROL.sub(" ", text)


def short(text: str, most: int = 48) -> str:
    """Return `text`, cut to `most` characters: converters join the names of all they fuse into one layer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def count(value: int | None) -> str:
    """Write a whole number with thousands separators."""
    return UNKNOWN if value is None else f"{value:,}"


def accuracy(row: Row) -> str:
    """Write the accuracy in percent, or a dash; the samples stand beside it."""
    return UNKNOWN if row.accuracy is None else f"{row.accuracy:.1f} %"


def bit_exact(row: Row) -> str:
    """Write `n/N`: how many of the samples had every output byte equal to the oracle's."""
    return UNKNOWN if row.bit_exact_samples is None else f"{row.bit_exact_samples}/{row.samples}"


def place(row: Row) -> str:
    """Write where the row was made: `nano33 (qemu)`, or `host`."""
    return row.where if row.board is None else f"{row.board} ({row.where})"


def latency(row: Row) -> str:
    """Write the latency, an estimate with its mark and band: `~ 12.3 ms (11.0-13.5)`."""
    if row.latency_ms is None:
        return UNKNOWN
    if row.latency_source != "estimated":
        return f"{row.latency_ms:.2f} ms"
    if row.latency_low_ms is None or row.latency_high_ms is None:
        return f"~{row.latency_ms:.1f} ms"
    return f"~{row.latency_ms:.1f} ms ({row.latency_low_ms:.1f}-{row.latency_high_ms:.1f})"


def cycles(row: Row) -> str:
    """Write the cycles, an estimate with its mark."""
    return ("~" if row.cycles is not None and row.cycles_source == "estimated" else "") + count(row.cycles)


def energy(row: Row) -> str:
    """Write the energy of an inference in microjoules."""
    return UNKNOWN if row.energy_uj is None else f"{row.energy_uj:,.1f}"


def is_estimate(row: Row) -> bool:
    """Tell whether the row shows a figure that needs `ESTIMATE_NOTE`."""
    return "estimated" in (row.cycles_source, row.latency_source)


def is_emulated(row: Row) -> bool:
    """Tell whether no board made the row, but an emulator of one."""
    return row.where in ("qemu", "renode")


def is_estimated(row: Row, column: str) -> bool:
    """Tell whether the row's value in a column is an estimate, not a count and not a board's word."""
    if column in _OF_CYCLES:
        return row.cycles_source == "estimated" or is_emulated(row)
    return column in _OF_TIME and (row.latency_source == "estimated" or is_emulated(row))
