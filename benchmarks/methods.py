"""Students with and without their teachers, over several seeds: results/distillation/methods.csv.

    python -m benchmarks.methods recipes/kws_s.toml ... [--seeds 0 1 2] [--without] [--set k=v] [--out DIR] [--write]

Runs each recipe with each seed (`--without`: with hard labels alone as well), one process a run, and prints mean and
standard deviation. A run that was interrupted goes on where it was; one that is finished is not run again. `--write`
puts a line for each run into the CSV, in the place of the one with the same student, teacher, method, seed and epochs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas

CSV = Path(__file__).resolve().parents[1] / "results" / "distillation" / "methods.csv"
COLUMNS = ["task", "student", "teacher", "method", "seed", "epochs", "dataset", "n", "accuracy", "train_seconds"]
KEY = ["task", "student", "teacher", "method", "seed", "epochs"]
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
    lines = []
    for recipe in chosen.recipes:
        for changes in [(), HARD] if chosen.without else [()]:
            for seed in chosen.seeds:
                result = run(recipe, [*chosen.changes, *changes], seed, chosen.out)
                if result is None:
                    return 3
                lines.append(result)
    print(summary(pandas.DataFrame(lines)))
    if chosen.write:
        record(pandas.DataFrame(lines))
    return 0


def run(recipe: Path, changes: Sequence[str], seed: int, out: Path) -> dict[str, object] | None:
    """Return the result of one run, from its folder where it is finished; None where it failed."""
    marks = "-".join(change.split("=", 1)[1].strip("[]") or "none" for change in changes if "=" in change)
    folder = out / "-".join(filter(None, [recipe.stem, marks.replace("/", "_"), f"seed{seed}"]))
    result = folder / "result.json"
    if not result.exists():
        options = [part for change in changes for part in ("--set", change)]
        command = [
            str(Path(sys.executable).with_name("harness")),
            "distill",
            str(recipe),
            "--seed",
            str(seed),
            "--out",
            str(folder),
            *options,
        ]
        done = subprocess.run(command, check=False)
        if done.returncode != 0:
            return None
    return dict(json.loads(result.read_text(encoding="utf-8")))


def summary(lines: pandas.DataFrame) -> str:
    """Return mean and standard deviation over the seeds, of the test accuracy and of validation, percent."""
    groups = lines.groupby(["student", "teacher", "method", "epochs"])
    return str(groups[["accuracy", "validation"]].agg(["mean", "std", "count"]).round(2))


def record(lines: pandas.DataFrame) -> None:
    """Put the runs into the CSV."""
    CSV.parent.mkdir(parents=True, exist_ok=True)
    kept = [pandas.read_csv(CSV, keep_default_na=False)] if CSV.exists() else []
    table = pandas.concat([*kept, lines[COLUMNS]]).drop_duplicates(KEY, keep="last").sort_values(KEY)
    table.to_csv(CSV, index=False, lineterminator="\n")


if __name__ == "__main__":
    sys.exit(main())
