"""A teacher is a .keras file; to be judged like other float models it becomes a float .tflite, once."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from harness import resources
from harness.errors import EnvironmentFailure, UserError
from harness.flows.models import Model
from harness.report.progress import Speaker


def as_tflite(model: Model, speaker: Speaker) -> Path:
    """Return the .tflite file of a model: its own, or what a .keras file converts to.

    Raises:
        UserError: it is no Keras model.
        EnvironmentFailure: the training extras are not installed.
    """
    if model.path.suffix != ".keras":
        return model.path
    if importlib.util.find_spec("keras") is None:
        raise EnvironmentFailure(
            f"{model.path.name} is a Keras model, which needs: pip install 'tinyml-harness[train]'"
        )
    target = resources.cache() / "converted" / model.sha256[:24] / f"{model.name}.tflite"
    if not target.exists():
        speaker.say(f"{model.name}: converting the Keras model to a float .tflite")
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        command = [sys.executable, "-m", "harness.train.compress.convert", str(model.path), "", str(unfinished)]
        with speaker.steps_bar(f"converting {model.name}"):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not unfinished.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"expected a Keras model at {model.path}, its conversion ended with: {last}")
        unfinished.replace(target)
    return target
