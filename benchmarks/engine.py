"""The engine against its peers: MLPerf Tiny's four models in every mode, as ratios, and against limits.

    python -m benchmarks.engine             # builds, runs on the emulated nano33, prints two tables
    python -m benchmarks.engine --write     # and stores the figures in results/engine/, which tests compare with

HARNESS_DATA names the data folder. Exit status: 1 where a limit is broken or an output is not bit-exact, else as
`harness bench`.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from tabulate import tabulate

from harness.compiler import Objective
from harness.compiler.choose import OBJECTIVES
from harness.device.boards import find_board
from harness.errors import HarnessError, UserError
from harness.flows.bench import bench
from harness.flows.request import Request
from harness.report.progress import Speaker
from harness.rows.measurement import Document, Row
from harness.rows.store import write_run

BOARD = "nano33"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "engine"
SAMPLES = 8
"""Enough to see that outputs are right; only the first few are timed."""


@dataclass(frozen=True)
class Peers:
    """Other engines' figures for one model.

    TensorFlow Lite Micro with CMSIS-NN: built and counted on the same emulated Cortex-M4F (gcc 12.2, its own flags),
    instructions exactly, cycles by the same timings as here; arena, data and stack; model file and linked kernels.

    The best closed engine: the fastest time that MLPerf Tiny's closed division published for a Cortex-M4 (a
    Nucleo-L4R5ZI at 120 MHz; rounds v1.1 and v1.2: Plumerai, X-CUBE-AI 9), in cycles, divided by what that board needs
    more than such estimates where CMSIS-NN runs the same model: 1.22 to 1.41 times. That ratio is not known for others.
    """

    instructions: int
    cycles: int
    closed_cycles: int
    ram_bytes: int
    flash_bytes: int


PEERS: Mapping[str, Peers] = {
    "ad01_int8": Peers(582_320, 707_225, 345_000, 3_704, 306_096),
    "kws_ref_model": Peers(7_699_893, 8_892_541, 4_000_000, 24_724, 107_680),
    "pretrainedResnet_quant": Peers(29_863_353, 35_144_651, 16_100_000, 56_900, 150_044),
    "vww_96_int8": Peers(24_101_963, 28_064_100, 8_700_000, 102_612, 387_032),
}

INSTRUCTIONS, CYCLES, RAM, FLASH = "instructions", "cycles", "ram_total_bytes", "flash_total_bytes"
LIMITS: Mapping[tuple[Objective, str], Mapping[str, int]] = {
    ("balanced", INSTRUCTIONS): dict(zip(PEERS, (300_000, 2_900_000, 11_000_000, 4_900_000), strict=True)),
    ("balanced", CYCLES): dict(zip(PEERS, (380_000, 3_600_000, 14_500_000, 6_300_000), strict=True)),
    ("latency", INSTRUCTIONS): dict(zip(PEERS, (240_000, 2_600_000, 5_600_000, 4_500_000), strict=True)),
    ("latency", CYCLES): dict(zip(PEERS, (370_000, 3_500_000, 8_200_000, 6_000_000), strict=True)),
    ("balanced", RAM): dict(zip(PEERS, (1_700, 12_000, 42_000, 50_000), strict=True)),
    ("ram", RAM): dict(zip(PEERS, (1_400, 9_500, 36_500, 32_000), strict=True)),
    ("balanced", FLASH): dict(zip(PEERS, (285_000, 52_000, 105_000, 80_000), strict=True)),
    ("flash", FLASH): dict(zip(PEERS, (276_000, 37_000, 92_000, 62_000), strict=True)),
}
"""The most that a mode may take of each model; besides, `ram` SLOWER times `balanced`, `latency` what the board has."""
AIMS: Mapping[str, Mapping[str, int]] = {
    INSTRUCTIONS: dict(zip(PEERS, (190_000, 2_250_000, 4_800_000, 3_800_000), strict=True)),
    CYCLES: dict(zip(PEERS, (330_000, 3_000_000, 7_000_000, 5_400_000), strict=True)),
}
"""What is hoped for, in any mode, each figure separately."""
SLOWER = 1.3

NOTES = (
    "`x`: how many times as much the other engine takes; 2.00x is twice what this one takes.",
    "~ marks estimates. Cycles are those of the executed blocks by the Cortex-M4 manual's timings, without wait "
    "states, for this engine and for TensorFlow Lite Micro (TFLM) with CMSIS-NN alike: no board gave them. "
    "Instructions are exact.",
    "The closed engines' cycles are published times on a board, divided by what that board needs more than such "
    "estimates where CMSIS-NN runs the model, 1.22 to 1.41 times: a comparison with them may be 15 % off.",
    "`+` a limit that holds, `!` one that is broken, `*` an aim that is reached as well.",
)


@dataclass(frozen=True)
class Check:
    """One figure of one row against the most that it may be."""

    row: Row
    column: str
    most: int

    @property
    def value(self) -> int:
        """Return the figure; one that is missing breaks any limit."""
        found: int | None = getattr(self.row, self.column)
        return sys.maxsize if found is None else found

    @property
    def holds(self) -> bool:
        """Tell whether the limit holds."""
        return self.value <= self.most

    def __str__(self) -> str:
        return f"{self.row.model}, {self.row.optimise}: {self.column} {self.value:,}, at most {self.most:,}"


def measure(modes: Iterable[Objective], samples: int, speaker: Speaker) -> Document:
    """Bench the four models in some modes, on the emulated board.

    Raises:
        HarnessError: there is no data, or a row failed.
    """
    data = os.environ.get("HARNESS_DATA")
    if not data:
        raise UserError("expected the data folder in HARNESS_DATA, which is not set: set it")
    models = tuple(str(Path(data, "mlperf_tiny", "models", f"{name}.tflite")) for name in PEERS)
    rows: list[Row] = []
    for mode in modes:
        with TemporaryDirectory(prefix="harness-engine-") as folder:
            run = bench(
                Request(models, (BOARD,), "qemu", False, None, None, samples, mode, Path(folder, mode)), speaker
            )
            run.check()
            rows += run.document.rows
    return Document(tuple(rows))


def checks(document: Document) -> list[Check]:
    """Return every limit that a row of the document has to keep."""
    board = find_board(BOARD)
    balanced = {row.model: row.cycles for row in document.rows if row.optimise == "balanced"}
    found = []
    for row in document.rows:
        found += [
            Check(row, column, limits[row.model]) for (mode, column), limits in LIMITS.items() if mode == row.optimise
        ]
        if row.optimise == "latency":
            found += [Check(row, RAM, board.ram_bytes), Check(row, FLASH, board.flash_bytes)]
        cycles = balanced.get(row.model)
        if row.optimise == "ram" and cycles is not None:
            found.append(Check(row, CYCLES, round(SLOWER * cycles)))
    return found


def inexact(document: Document) -> list[str]:
    """Return the rows whose outputs are not all the oracle's."""
    return [
        f"{row.model}, {row.optimise}: {row.bit_exact_samples} of {row.samples} outputs are bit-exact"
        for row in document.rows
        if row.bit_exact_samples != row.samples
    ]


def report(document: Document) -> str:
    """Return both tables in Markdown, and what their marks mean."""
    limits = {(check.row, check.column): check for check in checks(document)}
    rows = sorted(document.rows, key=lambda row: row.model)

    def cells(row: Row, column: str, *theirs: int) -> list[str]:
        """Return a figure, its limit, the marks, and how many times as much others take."""
        value: int | None = getattr(row, column)
        if value is None:
            return ["-"] * (3 + len(theirs))
        check, aim = limits.get((row, column)), AIMS.get(column, {}).get(row.model, 0)
        marks = ("" if check is None else "+" if check.holds else "!") + ("*" if value <= aim else "")
        return [f"{value:,}", f"{check.most:,}" if check else "", marks, *(f"{their / value:.2f}x" for their in theirs)]

    time, memory = [], []
    for row in rows:
        name, peers = [row.model, row.optimise or ""], PEERS[row.model]
        time.append([*name, *cells(row, INSTRUCTIONS, peers.instructions)])
        time[-1] += cells(row, CYCLES, peers.cycles, peers.closed_cycles)
        memory.append([*name, *cells(row, RAM, peers.ram_bytes), *cells(row, FLASH, peers.flash_bytes)])
    open_source = "TFLM + CMSIS-NN"
    limit = ("at most", "")
    time_heads = ("model", "mode", "instructions", *limit, open_source, "~cycles", *limit, open_source, "best closed")
    memory_heads = ("model", "mode", "RAM B", *limit, open_source, "flash B", *limit, open_source)
    parts = ["# The engine on MLPerf Tiny's models", "## Time of one inference", _table(time_heads, time)]
    parts += ["## Memory", _table(memory_heads, memory), "\n".join(f"- {note}" for note in (*NOTES, _made_by(rows)))]
    return "\n\n".join(parts) + "\n"


def _made_by(rows: Sequence[Row]) -> str:
    """Say what the figures depend on."""
    exact, samples = sum(row.bit_exact_samples or 0 for row in rows), sum(row.samples or 0 for row in rows)
    made = {f"{row.toolchain} {row.flags}, {row.emulator}, cycles from {row.cycles_method}" for row in rows}
    return f"{exact} of {samples} outputs equal TFLM's in every byte. Made by {'; '.join(sorted(made))}."


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ("left", "left", *["right"] * (len(heads) - 2))
    return str(tabulate(rows, headers=list(heads), tablefmt="github", disable_numparse=True, colalign=align))


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--modes", nargs="+", choices=OBJECTIVES, default=OBJECTIVES, help="default: all four")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"of each model (default {SAMPLES})")
    parser.add_argument("--write", action="store_true", help="store the figures in results/engine/")
    arguments = parser.parse_args()
    if arguments.write and set(arguments.modes) != set(OBJECTIVES):
        parser.error("--write stores the figures of all modes: leave --modes out")
    try:
        document = measure(arguments.modes, arguments.samples, Speaker(Console(stderr=True)))
    except HarnessError as failure:
        print(f"engine: error: {failure}", file=sys.stderr)
        return failure.exit_status
    tables = report(document)
    print(tables, end="")
    if arguments.write:
        write_run(RESULTS, document, {"report.md": tables}, {})
    broken = [*(f"limit broken: {check}" for check in checks(document) if not check.holds), *inexact(document)]
    print("\n".join(broken) or "all limits hold", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
