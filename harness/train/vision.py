"""The training set of vision: augmented pictures, as the student and its teacher see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError
from harness.tasks import vision
from harness.tasks.frontend import PICTURE, FrontEnd
from harness.tasks.images import Shape
from harness.train import cifar, images
from harness.train.augment.vision import VisionAugmentation, augment, mix
from harness.train.examples import Floats, Items, Labels, TrainingSet, View, digest, one_hot
from harness.train.images import Images, Vision

if TYPE_CHECKING:  # a recipe knows the tasks
    from harness.train.recipe import Recipe

DATA = "cifar10"
"""Of a recipe that names no other."""

LICENCE = "Apache-2.0; trained on CIFAR-10 (Krizhevsky, 2009)"
_CHUNK = 512


def prepare(recipe: Recipe, start: FrontEnd | None = None) -> tuple[TrainingSet, FrontEnd]:
    """Return the training set of a recipe, and the front end its student needs.

    The front end standardises each colour by its mean and std over the training set as it is, or by those of `start`:
    of a trained model that is to go on. A recipe's section [frontend] may have `shape`, the height, width and colours
    that a folder's pictures are brought to.

    Raises:
        UserError: data is missing, or the recipe asks for another front end.
    """
    how = recipe.augmentation
    assert isinstance(how, VisionAugmentation)
    shape = _shape(recipe.frontend, fixed=recipe.data == DATA)
    seen = _material(recipe, shape)
    fingerprint = _fingerprint(seen, how)  # of the items as they are read: who ignores labels sees the same views
    if recipe.unlabelled:
        seen = replace(seen, training=seen.training.unlabelled())
    frontend = _standardised(seen.training) if start is None else _shown(start, shape[2])

    def through(other: FrontEnd) -> Callable[[int], View]:
        return _views(seen, how, _shown(other, shape[2]))

    examples = TrainingSet(
        view=through(frontend),
        labels=seen.training.labels,
        classes=seen.classes,
        validation_inputs=frontend.features(seen.validation.pixels),
        validation_labels=seen.validation.labels,
        calibration=frontend.features(seen.training.first(recipe.export.calibration).pixels),
        as_they_are=lambda count: frontend.features((seen.lossless or seen.training).first(count).pixels),
        through=through,
        fingerprint=fingerprint,
        notes=seen.notes,
        names=seen.training.names,
        digest=digest(seen.training.pixels),
    )
    return examples, frontend


def validation(recipe: Recipe) -> Items:
    """Return the validation set of a recipe, as `prepare` makes it.

    Raises:
        UserError: data is missing.
    """
    limit, shape = recipe.schedule.examples, _shape(recipe.frontend, fixed=recipe.data == DATA)
    classes: tuple[str, ...] = vision.LABELS
    notes: tuple[str, ...] = ()
    if recipe.data == DATA:
        shown = cifar.validation(limit)
    else:
        seen = _material(replace(recipe, unlabelled=""), shape)
        shown, classes, notes = seen.validation, seen.classes, seen.notes

    def through(frontend: FrontEnd, chosen: Labels) -> Floats:
        return _shown(frontend, shape[2]).features(shown.pixels[chosen])

    return Items(shown.labels, classes, shown.names, through, notes)


def _material(recipe: Recipe, shape: Shape) -> Vision:
    """Read what a recipe learns from, at most `schedule.examples` of each part where that is not 0."""
    limit = recipe.schedule.examples
    if not recipe.private and recipe.data == DATA:
        return cifar.load(limit)
    seen = _beside_unlabelled(recipe, shape) if recipe.private else images.folder(Path(recipe.data), shape)
    if not limit:
        return seen
    return replace(seen, training=seen.training.first(limit), validation=seen.validation.first(limit))


def _beside_unlabelled(recipe: Recipe, shape: Shape) -> Vision:
    """Read a folder without labels; what the run is judged by is of `data`."""
    training, notes = images.unlabelled(Path(recipe.unlabelled), shape, recipe.schedule.examples)
    if recipe.data == DATA:
        return Vision(training, cifar.validation(recipe.schedule.examples), vision.LABELS, notes)
    seen = images.folder_beside(training, Path(recipe.data), shape)
    return replace(seen, notes=seen.notes + notes)


def _shape(changes: dict[str, Any], *, fixed: bool) -> Shape:
    """Return height, width, colours of the pictures."""
    for name in changes:
        if name != "shape":
            raise UserError(f"expected shape in [frontend], got '{name}'")
    shape = changes.get("shape", list(vision.SHAPE))
    whole = isinstance(shape, list) and len(shape) == 3 and all(type(size) is int and size > 0 for size in shape)
    if not whole or shape[2] not in (1, 3):
        raise UserError(f"expected height, width and 1 or 3 colours for frontend.shape, got {shape!r}")
    if fixed and tuple(shape) != vision.SHAPE:
        raise UserError(f"expected {list(vision.SHAPE)} for frontend.shape with {DATA}, got {shape!r}")
    height, width, colours = shape
    return height, width, colours


def _shown(frontend: FrontEnd, colours: int) -> FrontEnd:
    """Return the front end of a teacher.

    Raises:
        UserError: it is not one for these pictures.
    """
    alike = {name: getattr(frontend, name) for name in ("mean", "std", "scale", "zero_point", "rounding")}
    fits = all(len(each) in (1, colours) for each in (frontend.mean, frontend.std))
    if replace(PICTURE, **alike) != frontend or not fits:
        raise UserError(
            f"expected a teacher that takes pictures of {colours} colours, got {frontend}; name another in "
            f"distill.teachers"
        )
    return frontend


def _standardised(shown: Images) -> FrontEnd:
    """Set mean and std to those of each colour (rounded, so that a card can be read)."""
    totals = np.zeros((2, shown.pixels.shape[-1]))
    for start in range(0, len(shown), _CHUNK):
        levels = shown.pixels[start : start + _CHUNK].astype(np.float32)
        totals += [(levels**power).sum(axis=(0, 1, 2), dtype=np.float64) for power in (1, 2)]
    mean, square = totals / shown.pixels[..., 0].size
    std = np.sqrt(np.maximum(square - mean**2, 1e-6))
    return replace(
        PICTURE, mean=tuple(round(x, 4) for x in mean.tolist()), std=tuple(round(x, 4) for x in std.tolist())
    )


def _fingerprint(seen: Vision, how: VisionAugmentation) -> str:
    """Return 64 hex digits of the training pictures, their order, how they are changed, and by what code.

    A few changed pictures stand for the code: what was kept before it changed must not be taken for what it gives now.
    """
    digest = hashlib.sha256(f"{how} {seen.training.pixels.shape}".encode())
    few = replace(seen, training=seen.training.first(32))
    sample = np.round(_views(few, replace(how, seed=0), PICTURE)(0).inputs).astype(np.uint8)
    for array in (seen.training.pixels, seen.training.labels, sample):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _views(seen: Vision, how: VisionAugmentation, frontend: FrontEnd) -> Callable[[int], View]:
    """Return the function from an epoch's number to its augmented inputs; two front ends get the same pictures."""
    shown = seen.training
    labelled = one_hot(shown.labels, len(seen.classes))

    def view(epoch: int) -> View:
        random = np.random.default_rng((how.seed, how.view(epoch), 1))
        order = random.permutation(len(shown))  # neighbours are of one class, and mixing takes neighbours
        inputs = np.empty(shown.pixels.shape, np.float32)
        targets = np.empty_like(labelled)
        for start in range(0, len(order), _CHUNK):
            chunk = order[start : start + _CHUNK]
            changed = augment(shown.pixels[chunk].astype(np.float32), how, random)
            changed, partner, own = mix(changed, how, random)
            inputs[chunk] = frontend.standardise(changed)
            targets[chunk] = labelled[chunk] * own[:, None] + labelled[chunk[partner]] * (1 - own)[:, None]
        return View(inputs, targets)

    return view
