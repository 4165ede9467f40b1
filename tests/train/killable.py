"""A toy run in a process of its own, slow enough to be killed: `python -m tests.train.killable FOLDER`."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import keras

from harness.train.logs import Logs
from tests.train import toys

SCHEDULE = replace(toys.SCHEDULE, epochs=12)


def run(folder: Path, seconds_a_step: float = 0.0) -> keras.Model:
    """Train in `folder`, or go on with what a killed run left there; return the model."""
    model = toys.network(dropout=0.5)
    examples = toys.toy(lambda inputs, epoch: inputs * (1 + 0.1 * epoch))
    toys.trained(
        model, folder / "checkpoint.npz", None, examples, SCHEDULE,
        report=Logs(folder).epoch, advance=lambda done, steps: time.sleep(seconds_a_step),
    )  # fmt: skip
    return model


if __name__ == "__main__":
    run(Path(sys.argv[1]), seconds_a_step=0.01)
