"""The engine's figures in every mode: against the committed ones, and against the limits of benchmarks/engine.py.

A change that is meant to move the figures measures them again: `python -m benchmarks.engine --write`.
"""

from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.engine import BOARD, CYCLES, LIMITS, PEERS, RESULTS, checks, inexact, measure, report
from harness.compiler.choose import OBJECTIVES
from harness.device.build import compiler_version
from harness.report.progress import Speaker
from harness.rows.compare import compare, parse_rule
from harness.rows.measurement import Document, Row
from harness.rows.store import read_document
from tests.support.data import data_folder

RULES = (
    "instructions>+0.5%",
    "instructions<-0.5%",
    "cycles>+0.5%",
    "cycles<-0.5%",
    "flash_total_bytes>+0.5%",
    "ram_total_bytes>+0.5%",
)
SAMPLES = 5  # those that are timed


def committed() -> Document:
    return read_document(RESULTS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", OBJECTIVES)
def test_the_engine_keeps_its_figures_and_limits(mode):
    data_folder()
    figures = committed()
    toolchain = figures.rows[0].toolchain
    if compiler_version() != toolchain:
        pytest.skip(f"the figures were made by {toolchain}, this is {compiler_version()}: they cannot be compared")
    made = measure([mode], SAMPLES, Speaker(Console(stderr=True)))
    assert {row.cycles_method for row in made.rows} == {"blocks"}, (
        "cycles can only be compared where blocks are counted"
    )
    old = Document(tuple(row for row in figures.rows if row.optimise == mode))
    broken = compare(old, made).broken([parse_rule(rule) for rule in RULES])
    assert not broken, "\n".join(str(verdict) for verdict in broken)
    assert inexact(made) == []
    others = tuple(row for row in figures.rows if row.optimise != mode)
    wrong = [check for check in checks(Document((*others, *made.rows))) if not check.holds]
    assert not [str(check) for check in wrong if check.row.optimise == mode]


def test_the_committed_figures_are_whole_and_within_the_limits():
    figures = committed()
    assert {(row.model, row.optimise) for row in figures.rows} == {
        (model, mode) for model in PEERS for mode in OBJECTIVES
    }
    assert {(row.board, row.where, row.status) for row in figures.rows} == {(BOARD, "qemu", "ok")}
    assert [str(check) for check in checks(figures) if not check.holds] == []
    assert inexact(figures) == []


def test_the_committed_report_is_that_of_the_committed_figures():
    assert (RESULTS / "report.md").read_text() == report(committed())


def row(mode: str, **columns: int) -> Row:
    return replace(next(row for row in committed().rows if row.optimise == mode), **columns)


@pytest.mark.parametrize(("mode", "column"), LIMITS)
def test_a_figure_above_its_limit_is_seen(mode, column):
    model = row(mode).model
    most = LIMITS[mode, column][model]
    for value, holds in ((most, True), (most + 1, False), (None, False)):
        found = [check for check in checks(Document((row(mode, **{column: value}),))) if check.column == column]
        assert all(check.holds for check in found) == holds
    assert " ! |" in report(Document((row(mode, **{column: most + 1}),)))


def test_ram_mode_may_take_1_3_times_the_cycles_of_balanced():
    balanced = row("balanced", cycles=1000)
    for cycles, holds in ((1300, True), (1301, False)):
        [check] = [
            c
            for c in checks(Document((balanced, row("ram", cycles=cycles))))
            if (c.row.optimise, c.column) == ("ram", CYCLES)
        ]
        assert check.holds == holds


def test_an_output_that_is_not_bit_exact_is_seen():
    assert inexact(Document((row("balanced", bit_exact_samples=7, samples=8),))) == [
        "ad01_int8, balanced: 7 of 8 outputs are bit-exact"
    ]
