"""From a task, a data set and a model's input to the bytes that the model takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.nearest import did_you_mean
from harness.tasks import images, kws, recordings, vision
from harness.tasks.card import Card
from harness.tasks.dataset import Dataset
from harness.tasks.folders import some
from harness.tasks.frontend import MLPERF_KWS, PICTURE, FrontEnd, quantise

RANDOM_SEED = 0
UNKNOWN = "unknown"
"""The class of whatever is none of a model's others, where it has that class."""

_CHUNK = 1024
"""Items that are held as sound or pictures at a time: a corpus of sound would not fit."""


@dataclass(frozen=True)
class ModelInput:
    """A model's only input: its shape (with the batch of 1), type, and quantisation where it is int8."""

    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Samples:
    """What a model is fed with.

    Attributes:
        inputs: (n, ...) in the model's own type; the shape behind n is the model's without its batch.
        labels: (n,) indices into `classes`, None where nothing is known.
        classes: in the order of the model's outputs.
        dataset: its name.
        size: how many items the data set has in all.
        notes: what a user should know of the data, one line each.
        names: (n,) the file of every item, () where they have none.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    dataset: str
    size: int
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A task: how a model of it is recognised, and what data it can be fed.

    Attributes:
        name: kws, vision ...
        input_elements: of one sample.
        outputs: number of classes.
        labels: order of the outputs of a model without a card.
        frontend: of a model without a card.
        datasets: by the name that `--data` takes; each is called with a split.
        folder: reads a split of a user's own folder for a model's input, None where that is not possible.
        suffixes: of the files in such a folder, in lower case with the dot.
        metric: what `accuracy` is.
    """

    name: str
    input_elements: int
    outputs: int
    labels: tuple[str, ...]
    frontend: FrontEnd
    datasets: dict[str, Callable[[str], Dataset]]
    folder: Callable[[Path, str, ModelInput], Dataset] | None = None
    suffixes: tuple[str, ...] = ()
    metric: str = "top1"

    def fits(self, model_input: ModelInput, output_elements: int) -> bool:
        """Tell whether a model of these sizes may be one of this task."""
        return prod(model_input.shape) == self.input_elements and output_elements == self.outputs

    def takes(self, data: str | None) -> bool:
        """Tell whether its models can be fed with a data set of that name, or with the files of a folder."""
        if data is None or data == "random" or data in self.datasets:
            return True
        return any(file.suffix.lower() in self.suffixes for file in Path(data).glob("*/*"))


def _recordings(path: Path, split: str, model_input: ModelInput) -> Dataset:
    return kws.folder(path, split)


def _pictures(path: Path, split: str, model_input: ModelInput) -> Dataset:
    if len(model_input.shape) != 4:
        raise UserError(f"expected a model that takes pictures for {path}, got one that takes {model_input.shape[1:]}")
    _, height, width, colours = model_input.shape
    return vision.folder(path, split, (height, width, colours))


TASKS = {
    task.name: task
    for task in (
        Task(
            "kws", 490, 12, kws.MLPERF_LABELS, MLPERF_KWS,
            {"kws01": kws.kws01, "speech_commands": kws.speech_commands, "synthetic": kws.synthetic},
            folder=_recordings, suffixes=recordings.SUFFIXES,
        ),
        Task(
            "vision", 32 * 32 * 3, 10, vision.LABELS, PICTURE, {"cifar10": vision.cifar10}, folder=_pictures,
            suffixes=images.SUFFIXES,
        ),
    )
}  # fmt: skip


def named_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        UserError: there is none.
    """
    if name not in TASKS:
        raise UserError(f"unknown task {name!r}: expected one of {', '.join(TASKS)}{did_you_mean(name, TASKS)}")
    return TASKS[name]


def find_task(name: str | None, card: Card | None, model_input: ModelInput, output_elements: int) -> Task | None:
    """Return the task: the named one, the card's, else the one whose shapes fit, else None.

    Raises:
        UserError: the named task does not exist.
    """
    wanted = name or (card.task if card else None)
    if wanted is not None:
        return named_task(wanted)
    return next((task for task in TASKS.values() if task.fits(model_input, output_elements)), None)


def default_data(task: Task | None, card: Card | None) -> str:
    """Return the name of the data set that is taken where the user names none."""
    if task is None:
        return "random"
    preferred = "cifar10" if task.name == "vision" else "speech_commands" if card else "kws01"
    try:
        task.datasets[preferred]("test")
    except UserError:
        return "synthetic" if "synthetic" in task.datasets else "random"
    return preferred


def load(
    task: Task | None,
    data: str | None,
    card: Card | None,
    model_input: ModelInput,
    samples: int,
    *,
    split: str | None = None,
    outputs: int | None = None,
    advance: Callable[[int, int], None] = lambda done, steps: None,
) -> Samples:
    """Read samples and turn them into model inputs.

    Args:
        task: None for a model of which nothing is known: only random data is possible.
        data: a data set's name, a folder, or None for the task's default.
        card: of the model, where it has one: its front end and the order of its classes.
        model_input: of the model.
        samples: the first so many of a fixed shuffle; all where the data set has no more.
        split: train, validation, test or all; None for "test" of a named data set and "all" of a folder.
        outputs: how many classes the model tells apart, None where that is not known.
        advance: called now and then with the number of samples that were read and that of all.

    Raises:
        UserError: the data is not there, not known, or does not fit the model.
    """
    name = data or default_data(task, card)
    if name == "random":
        return _random(task, card, model_input, samples)
    if task is None:
        raise UserError(f"expected --task with --data {name}: the model's shapes fit no task; or use --data random")
    dataset = _dataset(task, name, card, split, model_input)
    chosen = dataset.choose(samples)
    classes = _classes(task, card, dataset, outputs)
    names, notes = _as_classes(dataset, classes)
    labels = np.array([classes.index(names[index]) for index in chosen], np.int64)
    inputs = _inputs(dataset, chosen, card.frontend if card else task.frontend, card, model_input, advance)
    expected = model_input.shape[1:]
    if prod(inputs.shape[1:]) != prod(expected):
        raise UserError(
            f"{dataset.name} gives {prod(inputs.shape[1:])} values a sample, the model takes {prod(expected)}"
        )
    inputs = inputs.reshape(len(inputs), *expected)
    files = tuple(dataset.names[index] for index in chosen) if dataset.names else ()
    return Samples(inputs, labels, classes, dataset.name, len(dataset.labels), dataset.notes + notes, files)


def _classes(task: Task, card: Card | None, dataset: Dataset, outputs: int | None) -> tuple[str, ...]:
    """Return the names of a model's outputs: its card's, the task's, or the folders' where there are as many.

    Raises:
        UserError: the model has another number of outputs than any of them.
    """
    known = card.labels if card else task.labels
    if outputs in (None, len(known)):
        return known
    if card is None and len(dataset.classes) == outputs:
        return dataset.classes
    folders = f" or folders for {outputs} classes, got {len(dataset.classes)}" if dataset.classes else ""
    raise UserError(
        f"expected a model with {len(known)} outputs for task {task.name}{folders}, got one with {outputs}: "
        "give it a model card, or another --task or --data"
    )


def _as_classes(dataset: Dataset, classes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the class of every item as the model knows it, and what is to be said of that.

    Raises:
        UserError: an item is of no class of the model, and the model has no class `unknown`.
    """
    strangers = sorted(set(dataset.labels) - set(classes))
    if not strangers:
        return dataset.labels, ()
    if UNKNOWN not in classes:
        raise UserError(
            f"the model knows no class {strangers[0]!r} of {dataset.name}: expected {', '.join(classes)}; "
            "rename or remove it"
        )
    note = f"no class of the model, so they count as {UNKNOWN}: {some(strangers)}"
    return tuple(label if label in classes else UNKNOWN for label in dataset.labels), (note,)


def _dataset(task: Task, name: str, card: Card | None, split: str | None, model_input: ModelInput) -> Dataset:
    if name == "kws01" and task.name == "kws" and card is not None and not _is_mlperf(card.frontend):
        return kws.kws01_sound(split or "test")
    if name in task.datasets:
        return task.datasets[name](split or "test")
    if Path(name).is_dir():
        if task.folder is None:
            raise UserError(
                f"task {task.name} cannot read a folder; expected one of {', '.join(task.datasets)}, random"
            )
        return task.folder(Path(name), split or "all", model_input)
    known = sorted({*task.datasets, "random"})
    hint = did_you_mean(name, known)
    raise UserError(f"unknown data {name!r} for task {task.name}: expected {', '.join(known)} or a folder{hint}")


def _is_mlperf(frontend: FrontEnd) -> bool:
    """Tell whether kws01's maps are this front end's own: the quantisation may differ, the features may not."""
    own = {"scale": MLPERF_KWS.scale, "zero_point": MLPERF_KWS.zero_point, "rounding": MLPERF_KWS.rounding}
    return replace(frontend, **own) == MLPERF_KWS  # type: ignore[arg-type]


def _inputs(
    dataset: Dataset,
    chosen: NDArray[np.int64],
    frontend: FrontEnd,
    card: Card | None,
    model_input: ModelInput,
    advance: Callable[[int, int], None],
) -> NDArray[Any]:
    """Fetch, apply the front end, quantise as the model (or its card) says; in chunks."""
    done = []
    advance(0, len(chosen))
    for start in range(0, max(len(chosen), 1), _CHUNK):
        done.append(_chunk(dataset, chosen[start : start + _CHUNK], frontend, card, model_input))
        advance(min(start + _CHUNK, len(chosen)), len(chosen))
    return np.concatenate(done)


def _chunk(
    dataset: Dataset, chosen: NDArray[np.int64], frontend: FrontEnd, card: Card | None, model_input: ModelInput
) -> NDArray[Any]:
    raw = dataset.fetch(chosen)
    if dataset.kind == "map":
        same = (model_input.scale, model_input.zero_point) == (MLPERF_KWS.scale, MLPERF_KWS.zero_point)
        if model_input.dtype == "int8" and same:
            return raw
        features = np.float32(MLPERF_KWS.scale) * (raw.astype(np.float32) - MLPERF_KWS.zero_point)
    else:
        features = frontend.features(raw)
    if model_input.dtype == "float32":
        return features
    if card is None and dataset.kind != "picture":
        frontend = replace(frontend, scale=model_input.scale or 1.0, zero_point=model_input.zero_point or 0)
    return quantise(features, frontend.scale, frontend.zero_point, frontend.rounding)


def _random(task: Task | None, card: Card | None, model_input: ModelInput, samples: int) -> Samples:
    """Return inputs drawn from the whole range of the input's type."""
    generator = np.random.default_rng(RANDOM_SEED)
    shape = (samples, *model_input.shape[1:])
    if model_input.dtype == "float32":
        inputs: NDArray[Any] = generator.uniform(-1.0, 1.0, shape).astype(np.float32)
    else:
        inputs = generator.integers(-128, 128, shape, dtype=np.int8)
    classes = card.labels if card else task.labels if task else ()
    return Samples(inputs, None, classes, "random", samples)
