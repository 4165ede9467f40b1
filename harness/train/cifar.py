"""The training material of CIFAR-10: the original files where they are, else JPEG copies beside the lossless part.

Validation is the same either way: 1,000 pictures of the fifth batch, without loss. What is learned from has none of
them, not even as JPEG, and nothing of the test set.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.tasks import cifar, data, vision
from harness.train import packed
from harness.train.examples import evenly, pick
from harness.train.images import Images, Vision

_LOSSLESS = 1_017
"""Pictures of the beginning of each batch that the lossless part has."""

_VALIDATION = vision.VALIDATION.stop - vision.VALIDATION.start
_FIFTH = (1014, 1014, 952, 1016, 997, 1025, 980, 977, 1003, 1022)
"""Pictures of each class in the fifth batch; each class has 5,000 in all."""


def load(limit: int = 0) -> Vision:
    """Read what lies below HARNESS_DATA.

    Args:
        limit: use at most so many pictures of each part, spread evenly; 0 for all.

    Raises:
        UserError: nothing is there, or a file is damaged.
    """
    jpeg, lossless = (data.find("cifar10", f"cifar10_{part}.npz") for part in ("jpeg_train", "lossless_part"))
    if data.find("cifar10", cifar.FOLDER) or not (jpeg and lossless):
        return _original(limit)
    return _copies(jpeg, lossless, limit)


def validation(limit: int = 0) -> Images:
    """Return the validation pictures of `load`, without decoding what else it reads."""
    jpeg, lossless = (data.find("cifar10", f"cifar10_{part}.npz") for part in ("jpeg_train", "lossless_part"))
    if data.find("cifar10", cifar.FOLDER) or not (jpeg and lossless):
        return _original(limit).validation
    whole = _lossless(lossless)
    return _some(whole, np.arange(len(whole) - _VALIDATION, len(whole)), limit)


def _original(limit: int) -> Vision:
    """Learn from 49,000 original pictures."""
    pixels, labels = cifar.read(data.require("cifar10", "cifar10", cifar.FOLDER, fetch=True), "train")
    every = Images(pixels, np.array(labels, np.int64), _numbered(cifar.FOLDER, range(len(labels))))
    validation = np.arange(len(labels))[vision.VALIDATION]
    training = np.setdiff1d(np.arange(len(labels)), validation)
    return Vision(_some(every, training, limit), _some(every, validation, limit), vision.LABELS)


def _some(images: Images, chosen: NDArray[np.int64], limit: int) -> Images:
    chosen = chosen[evenly(len(chosen), limit or len(chosen))]
    return Images(images.pixels[chosen], images.labels[chosen], pick(images.names, chosen))


def _numbered(file: str, numbers: Iterable[int]) -> tuple[str, ...]:
    """Return a name for each picture of a file."""
    return tuple(f"{file} {number}" for number in numbers)


def _copies(jpeg: Path, lossless: Path, limit: int) -> Vision:
    """Learn from 49,000 JPEG copies and 4,085 lossless pictures; decode no more of them than are used."""
    whole = _lossless(lossless)
    with np.load(jpeg) as content:
        labels = content["labels"].astype(np.int64)
    learned = len(whole) - _VALIDATION
    copies = np.setdiff1d(np.arange(len(labels)), twins(whole.labels, labels))
    chosen = evenly(len(copies) + learned, limit or len(copies) + learned)
    few, rest = copies[chosen[chosen < len(copies)]], chosen[chosen >= len(copies)] - len(copies)
    training = Images(
        np.concatenate([packed.decode(jpeg, few), whole.pixels[rest]]),
        np.concatenate([labels[few], whole.labels[rest]]),
        _numbered(jpeg.name, few) + pick(whole.names, rest),
    )
    validation = _some(whole, np.arange(learned, len(whole)), limit)
    note = f"learned from: {len(few):,} JPEG copies and {len(rest):,} lossless pictures; chosen by lossless ones"
    return Vision(training, validation, vision.LABELS, (note,), lossless=_some(whole, rest, 0) if len(rest) else None)


def _lossless(path: Path) -> Images:
    with np.load(path) as content:
        labels = content["y_train"].astype(np.int64)
        return Images(content["x_train"], labels, _numbered(path.name, range(len(labels))))


def twins(lossless: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of the copies show a validation picture: the same rank in the same class.

    Args:
        lossless: labels of the first pictures of the five batches, in their order; the last ones are validation.
        copies: labels of all copies, class by class, those of a class in the original order.
    """
    found = []
    for label, in_fifth in enumerate(_FIFTH):
        rank = np.cumsum(lossless[4 * _LOSSLESS :] == label) - 1
        held = np.flatnonzero(lossless[4 * _LOSSLESS :] == label)
        held = held[held >= _LOSSLESS - _VALIDATION]
        own = np.flatnonzero(copies == label)
        found.append(own[len(own) - in_fifth + rank[held]])
    return np.sort(np.concatenate(found))
