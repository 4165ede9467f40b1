"""Damages models and sees that the compiler stays calm: `python -m tests.fuzz [MODEL.tflite ...]`.

Without models, the four of MLPerf Tiny under $HARNESS_DATA. A failure is repeated with its seed alone:
`python -m tests.fuzz MODEL.tflite --mutations 1 --seed SEED`.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress, TimeElapsedColumn
from tabulate import tabulate

from tests.fuzz.campaign import Result, run

REPORTED = 20  # failures of each model; with more, something general is wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Compile damaged models.")
    parser.add_argument("models", nargs="*", type=Path, help=".tflite files (default: MLPerf Tiny's four)")
    parser.add_argument("--mutations", type=int, default=5000, help="of each model (default 5000)")
    parser.add_argument("--survivors", type=int, default=50, help="of each model, run (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation; each next one has the next seed")
    arguments = parser.parse_args()
    models = arguments.models or default_models()
    if not models:
        parser.error("expected models, or the environment variable HARNESS_DATA with mlperf_tiny/models in it")
    start = time.monotonic()
    results: list[Result] = []
    seeds = range(arguments.seed, arguments.seed + arguments.mutations)
    try:
        damage_all(models, seeds, arguments.survivors, results)
    except KeyboardInterrupt:
        print("interrupted; finished so far:")
    print(table(results))
    print(f"{time.monotonic() - start:.0f} s")
    return 1 if len(results) < len(models) or any(result.failures for result in results) else 0


def damage_all(models: Sequence[Path], seeds: range, survivors: int, results: list[Result]) -> None:
    """Append the result of each model as soon as it is known, and show its failures."""
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as bar:
        for model in models:
            task = bar.add_task(model.stem, total=len(seeds))
            results.append(run(model, seeds, survivors, partial(bar.advance, task)))
            for seed, text in results[-1].failures[:REPORTED]:
                bar.console.print(f"{model.stem}, --mutations 1 --seed {seed}: {text}", markup=False, highlight=False)


def default_models() -> list[Path]:
    """Return MLPerf Tiny's models, none where HARNESS_DATA is not set."""
    data = os.environ.get("HARNESS_DATA")
    return sorted(Path(data, "mlperf_tiny", "models").glob("*.tflite")) if data else []


def table(results: Sequence[Result]) -> str:
    """Return the summary."""
    rows = [
        [r.model, r.compiled, r.refused, len(r.failures), r.slowest, r.peak_bytes / 2**20, r.exact, r.oracle_refused]
        for r in results
    ]
    headers = ("model", "compiled", "refused", "failures", "slowest s", "peak MiB", "exact", "oracle refused")
    return tabulate(rows, headers, floatfmt=".2f")


if __name__ == "__main__":
    sys.exit(main())
