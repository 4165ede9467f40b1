"""What a model is fed with: the task it is of, its card, and samples as bytes in the model's own layout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.flows.models import Model
from harness.rows.measurement import Confusion
from harness.tasks import Card, ModelInput, Samples, Task, default_data, find_task, load, read_card
from harness.tasks.metrics import confusion_matrix, predictions, top1

_TYPES = {"int8": np.int8, "float32": np.float32}


@dataclass(frozen=True)
class Feed:
    """Samples for one model.

    Attributes:
        task: None where nothing fits.
        card: of a zoo student.
        inputs: one array (n, ...) for each input of the model, in the model's types.
        samples: labels, classes and the data set's name.
    """

    task: Task | None
    card: Card | None
    inputs: tuple[NDArray[Any], ...]
    samples: Samples

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.inputs[0])

    def rows(self) -> NDArray[np.uint8]:
        """Return every sample as one row of bytes (n, input bytes): all inputs, one after another."""
        return np.concatenate([_bytes(array) for array in self.inputs], axis=1)

    def accuracy(self, first_output: NDArray[Any]) -> float | None:
        """Return the accuracy in percent of the first output (n, ...), None without labels."""
        labels = self.samples.labels
        return None if labels is None else round(top1(predictions(first_output), labels), 4)

    def confusion(self, first_output: NDArray[Any]) -> Confusion | None:
        """Return what was taken for what in the first output (n, ...), None without labels."""
        if self.samples.labels is None:
            return None
        classes = self.samples.classes
        matrix = confusion_matrix(predictions(first_output), self.samples.labels, len(classes))
        return Confusion(classes, tuple(tuple(int(count) for count in line) for line in matrix))

    def columns(self) -> dict[str, Any]:
        """Return the columns of a row that say what was fed."""
        card = self.card
        return {
            "task": self.task.name if self.task else None,
            "dataset": self.samples.dataset,
            "samples": len(self),
            "metric": self.task.metric if self.task and self.samples.labels is not None else None,
            "card_accuracy": float(card.accuracy) if card else None,
            "card_dataset": card.dataset if card else None,
            "card_samples": card.samples if card else None,
        }


def own_card(model: Model) -> Card | None:
    """Return the card beside a model, None where there is none.

    Raises:
        UserError: it is not of this file.
    """
    card = read_card(model.path)
    if card is not None and card.sha256 != model.sha256:
        raise UserError(
            f"expected {model.path} to be the model of its card, got another sha256: mend or remove the card"
        )
    return card


def prepare(
    model: Model,
    inputs: Sequence[ModelInput],
    output_elements: int,
    *,
    task: str | None,
    data: str | None,
    samples: int,
    split: str | None = None,
    labelled: bool = False,
    advance: Callable[[int, int], None] = lambda done, steps: None,
) -> Feed:
    """Read the samples for a model.

    Args:
        model: whose card, if it has one beside it, decides about task, front end and labels.
        inputs: of the model.
        output_elements: of its first output.
        task: the user's word, None to find it out.
        data: a data set or a folder, None for the task's own.
        samples: how many at most.
        split: which part of the data; None for "test" of a named data set and "all" of a folder.
        labelled: data without labels is of no use.
        advance: called now and then with the number of samples that were read and that of all.

    Raises:
        UserError: the card is not of this file, or the data is missing, has no labels or does not fit.
    """
    card = own_card(model)
    found = find_task(task, card, inputs[0], output_elements) if len(inputs) == 1 else None
    name = data or default_data(found, card)
    if labelled and name == "random":
        raise UserError(f"{model.name} would get random inputs, which have no labels: name data with --data")
    if len(inputs) != 1:
        if data not in (None, "random"):
            raise UserError(f"{model.name} has {len(inputs)} inputs: expected --data random, got {data!r}")
        parts = [load(None, "random", None, one, samples) for one in inputs]
    else:
        parts = [load(found, name, card, inputs[0], samples, split=split, outputs=output_elements, advance=advance)]
    return Feed(found, card, tuple(part.inputs for part in parts), parts[0])


def first_output(outputs: NDArray[np.uint8], description: Sequence[dict[str, Any]]) -> NDArray[Any]:
    """Return the first output (n, elements) out of rows of bytes (n, output bytes), as model.json describes it."""
    tensor = description[0]
    return np.ascontiguousarray(outputs[:, : tensor["bytes"]]).view(_TYPES[tensor["type"]])


def output_rows(arrays: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Return one array (n, ...) a model output as rows of bytes (n, output bytes)."""
    return np.concatenate([_bytes(array) for array in arrays], axis=1)


def model_input(tensor: dict[str, Any]) -> ModelInput:
    """Return an input of model.json as the tasks know it."""
    return ModelInput(tuple(tensor["shape"]), tensor["type"], tensor["scale"], tensor["zero_point"])


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)
