"""The emulated-board regression test: nothing may get slower, bigger or less accurate than the committed baseline.

A change that is meant to move the figures measures the baseline again: `make baseline`.
"""

from pathlib import Path

import pytest

from harness.device.build import compiler_version
from harness.rows.store import read_document
from tests.command import ROOT, harness
from tests.support.data import MLPERF, mlperf_model

BASELINES = ROOT / "results" / "baselines"
RULES = (
    "instructions>+0.5%",
    "cycles>+0.5%",
    "cycles<-0.5%",
    "flash_total_bytes>+0.5%",
    "ram_total_bytes>+0.5%",
    "accuracy<-0.01",
    "bit_exact_samples<0",
)


def assert_no_worse(name: str, run: Path, *bench: str | Path, environment: dict[str, str] | None = None) -> None:
    baseline = BASELINES / name
    toolchain = read_document(baseline).rows[0].toolchain
    if compiler_version() != toolchain:
        pytest.skip(f"the baseline was made by {toolchain}, this is {compiler_version()}: figures cannot be compared")
    options = ("--board", "nano33", "--on", "qemu", "--samples", "32", "--out", run)
    made = harness("bench", *bench, *options, environment=environment)
    assert made.returncode == 0, made.stderr
    rules = [part for rule in RULES for part in ("--fail-on", rule)]
    compared = harness("compare", baseline, run, *rules)
    assert compared.returncode == 0, compared.stdout + compared.stderr


@pytest.mark.slow
def test_the_zoo_is_no_worse_than_its_baseline(tmp_path: Path) -> None:
    assert_no_worse("zoo", tmp_path / "run", environment={"HARNESS_DATA": ""})  # what lies in the package, or random


@pytest.mark.slow
def test_mlperf_tiny_is_no_worse_than_its_baseline(tmp_path: Path) -> None:
    assert_no_worse("mlperf", tmp_path / "run", *map(mlperf_model, MLPERF))
