"""In the place of `harness distill`: leaves what a training run leaves, in a moment, and waits where a test wants it.

`python -m tests.flows.stand_in study ...` is `harness study ...` with it. Beside the runs' folders lie the test's
wishes: the file `hold` makes runs wait, `fail-METHOD` makes those of a recipe end with the status that it holds, and
`silent-board` lets everything be done but what a board measures.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from harness import cli
from harness.flows import cells
from harness.train import recipe
from harness.train.run_folder import CHECKPOINT, RECIPE, RESULT, save_predictions, save_text

PROGRAM = "from tests.flows.stand_in import distill; distill()"
STARTS = "starts.txt"
"""One line a process that trained in the folder."""


def distill() -> None:
    """Do as `harness distill` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", action="append", default=[])
    told = parser.parse_args()
    plan = recipe.read(told.recipe, told.set, told.seed)
    wishes = told.out.parent
    save_text(told.out / RECIPE, json.dumps(dataclasses.asdict(plan) | {"sha256": {}}))
    (told.out / CHECKPOINT).touch()
    with (told.out / STARTS).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while (wishes / "hold").exists():
        time.sleep(0.05)
    fail = wishes / f"fail-{told.recipe.stem}"
    if fail.exists():
        print(f"a word before\nharness: error: expected luck for {told.recipe.stem}", file=sys.stderr)
        sys.exit(int(fail.read_text()))
    labels = np.arange(200) % 12
    right = np.random.default_rng(plan.seed).random(200) < (0.5 if plan.distill.method == "none" else 0.8)
    save_predictions(told.out, np.where(right, labels, (labels + 1) % 12), labels)
    line = {"task": plan.task, "student": plan.name, "teacher": "", "method": plan.distill.method, "seed": plan.seed,
            "epochs": plan.schedule.epochs, "dataset": "toy", "n": 20, "accuracy": round(100 * right.mean(), 2),
            "train_seconds": 3.0, "validation": 50.0}  # fmt: skip
    silent = (wishes / "silent-board").exists()
    save_text(told.out / RESULT, json.dumps(line | ({"board": "nano33"} if silent else {})))
    if silent:
        print("harness: error: nano33 (qemu) did not answer", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    cells._PROGRAM = PROGRAM
    sys.exit(cli.run(sys.argv[1:]))
