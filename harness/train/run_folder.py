"""What lies in the folder of a training run, and how it is written: each file whole or not at all.

`result.json` is written last: a folder that has it holds a finished run.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHECKPOINT = "checkpoint.npz"
RECIPE = "recipe.json"
BESIDE = ("sha256", "fingerprint")
"""What `recipe.json` holds beside the recipe: hashes of the trained models, and of the items and their views."""
RESULT = "result.json"
PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Predictions:
    """What a model said of its test set, item by item, in the order of the test set's fixed shuffle.

    Attributes:
        predicted: (n,) index of the class.
        labels: (n,) likewise; runs with equal labels were measured on the same items.
    """

    predicted: NDArray[np.int16]
    labels: NDArray[np.int16]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Return (n,) whether each was right."""
        return np.asarray(self.predicted == self.labels)


def save_predictions(folder: Path, predicted: NDArray[Any], labels: NDArray[Any]) -> None:
    """Write `predictions.npz`: some kilobytes for thousands of items."""
    unfinished = folder / f"unfinished.{PREDICTIONS}"
    np.savez_compressed(unfinished, predicted=predicted.astype(np.int16), labels=labels.astype(np.int16))
    unfinished.replace(folder / PREDICTIONS)


def read_predictions(folder: Path) -> Predictions:
    """Read what `save_predictions` wrote."""
    with np.load(folder / PREDICTIONS) as saved:
        return Predictions(saved["predicted"], saved["labels"])


def save_text(path: Path, text: str) -> None:
    """Write a text in one piece: a kill leaves the old one or the new one."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read `recipe.json` or `result.json`."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def is_of(record: Mapping[str, Any], plan: Any) -> bool:
    """Tell whether a record (`recipe.json`, or a section of it) is of a recipe.

    Fields that are younger than the record count as their defaults: a run can be gone on with after an upgrade.
    """
    known = {each.name: each for each in fields(plan)}
    if set(record) - set(known) - set(BESIDE):
        return False
    return all(_agrees(record, name, getattr(plan, name), each) for name, each in known.items())


def _agrees(record: Mapping[str, Any], name: str, value: Any, each: Field[Any]) -> bool:
    if name not in record:
        default = each.default if each.default_factory is MISSING else each.default_factory()
        return bool(value == default)
    if is_dataclass(value):
        return is_of(record[name], value)
    return bool(record[name] == json.loads(json.dumps(value)))
