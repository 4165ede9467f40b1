"""Students of any recipes with and without their teachers, over several seeds: results/distillation/methods.csv.

    python -m benchmarks.methods recipes/kws_s.toml ... [--seeds 0 1 2] [--without] [--set k=v] [--out DIR] [--write]

Trains each recipe with each seed (`--without`: with hard labels alone as well) as `harness study distillation` trains
its cells, and prints mean and standard deviation, of validation too. A run that was interrupted goes on where it was;
one that is finished is not run again. `--write` puts a line for each run into the CSV, which says of a run its method
and no other setting: so nothing else may be changed with it.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas

from harness.errors import HarnessError, UserError
from harness.flows import cells
from harness.flows.cells import Cell
from harness.rows.lines import METHODS
from harness.train.run_folder import RESULT, read_json

CSV = Path(__file__).resolve().parents[1] / "results" / "distillation" / "methods.csv"
HARD = ("distill.method=none", "distill.teachers=[]")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--without", action="store_true", help="hard labels alone as well")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--out", type=Path, default=Path("trained"))
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.write and set(chosen.changes) - set(HARD):
            raise UserError(
                "expected no other --set than hard labels with --write: the CSV cannot tell such runs apart"
            )
        made = [
            cell(recipe, [*chosen.changes, *changes], seed, chosen.out)
            for recipe in chosen.recipes
            for changes in ([(), HARD] if chosen.without else [()])
            for seed in chosen.seeds
        ]
        for each in made:
            train(each)
        print(summary([read_json(each.folder / RESULT) for each in made]))
        if chosen.write:
            METHODS.put(CSV, [each.run().line for each in made])
    except HarnessError as error:
        print(f"benchmarks.methods: error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def cell(recipe: Path, changes: Sequence[str], seed: int, out: Path) -> Cell:
    """Return the run of a recipe with changes, in a folder that is called after them."""
    plain = cells.make_cell(recipe, out, seed, changes)
    marks = [change.split("=", 1)[-1].strip("[]").replace("/", "_") or "none" for change in changes]
    return replace(plain, method=plain.plan.distill.method, folder=out / "-".join([recipe.stem, *marks, f"seed{seed}"]))


def train(each: Cell) -> None:
    """Train a cell that is not finished.

    Raises:
        HarnessError: its folder holds another recipe's run, or it failed.
    """
    each.check()
    failure = cells.train(*each.job())
    if failure is not None:
        raise HarnessError(f"{each.folder}: {failure.reason}")


def summary(results: Sequence[dict[str, object]]) -> str:
    """Return mean and standard deviation over the seeds, of the test accuracy and of validation, percent."""
    groups = pandas.DataFrame(results).groupby(["student", "teacher", "method", "epochs", "n"])
    return str(groups[["accuracy", "validation"]].agg(["mean", "std", "count"]).round(2).to_string())


if __name__ == "__main__":
    sys.exit(main())
