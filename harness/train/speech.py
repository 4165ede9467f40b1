"""The training set of keyword spotting: augmented pictures through the front end of the student."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError
from harness.tasks.frontend import SPEECH_LOG_MEL, FrontEnd
from harness.tasks.kws import LABELS
from harness.train import pictures, recorded
from harness.train.augment.speech import SpeechAugmentation, augment, lead_in, mix
from harness.train.examples import Floats, Items, Labels, TrainingSet, View, digest, one_hot
from harness.train.pictures import Pictures, Speech, to_grey, to_log_mel

if TYPE_CHECKING:  # a recipe knows the tasks
    from harness.train.recipe import Recipe

DATA = "speech_commands"
"""Of a recipe that names no other."""

LICENCE = "Apache-2.0; trained on Speech Commands v0.02 (CC BY 4.0, Pete Warden and the volunteer speakers)"

_CHUNK = 512
_CHANGES = ("kind", "hop_ms", "coefficients", "dct_norm")
"""What a front end may have else than the pictures."""


def prepare(recipe: Recipe, start: FrontEnd | None = None) -> tuple[TrainingSet, FrontEnd]:
    """Return the training set of a recipe, and the front end its student needs.

    The front end is the pictures' own with the changes of the recipe; its mean and std are those of the columns over
    the training set as it is, or those of `start`: of a trained model that is to go on.

    Raises:
        UserError: data is missing, the recipe asks for a front end that the pictures cannot give, or for another than
            `start`.
    """
    changed, how = _frontend(recipe.frontend), recipe.augmentation
    assert isinstance(how, SpeechAugmentation)
    if start is not None:
        _same(changed, _shown(start))
    speech = _material(recipe, how)
    fingerprint = _fingerprint(speech, how)  # of the items as they are read: who ignores labels sees the same views
    if recipe.unlabelled:
        speech = replace(speech, training=speech.training.unlabelled())
    frontend = start or _standardised(changed, speech.training)

    def through(other: FrontEnd) -> Callable[[int], View]:
        return _views(speech, how, _shown(other))

    examples = TrainingSet(
        view=through(frontend),
        labels=speech.training.labels,
        classes=speech.classes,
        validation_inputs=inputs(speech.validation, frontend),
        validation_labels=speech.validation.labels,
        calibration=inputs(speech.training.first(recipe.export.calibration), frontend),
        as_they_are=lambda count: inputs(speech.training.first(count), frontend),
        through=through,
        fingerprint=fingerprint,
        notes=speech.notes,
        names=speech.training.names,
        digest=digest(speech.training.grey),
    )
    return examples, frontend


def validation(recipe: Recipe) -> Items:
    """Return the validation set of a recipe, as `prepare` makes it, without reading the training set.

    Raises:
        UserError: data is missing.
    """
    how, limit = recipe.augmentation, recipe.schedule.examples
    classes: tuple[str, ...] = LABELS
    notes: tuple[str, ...] = ()
    if recipe.data == DATA:
        shown = pictures.validation(how.seed, _every(limit))
    else:
        speech = recorded.load(Path(recipe.data), how.seed, noise=False)
        shown, classes, notes = speech.validation, speech.classes, speech.notes
    shown = shown.first(limit) if limit else shown

    def through(frontend: FrontEnd, chosen: Labels) -> Floats:
        return inputs(Pictures(shown.grey[chosen], shown.labels[chosen]), _shown(frontend))

    return Items(shown.labels, classes, shown.names, through, notes)


def _material(recipe: Recipe, how: SpeechAugmentation) -> Speech:
    """Read what a recipe learns from, at most `schedule.examples` of each part where that is not 0."""
    limit = recipe.schedule.examples
    if recipe.private:
        speech = _beside_unlabelled(recipe, how)
    elif recipe.data == DATA:
        speech = pictures.load(how.seed, _every(limit))
    else:
        speech = recorded.load(Path(recipe.data), how.seed, noise=how.noise > 0)
    if not limit:
        return speech
    return replace(speech, training=speech.training.first(limit), validation=speech.validation.first(limit))


def _beside_unlabelled(recipe: Recipe, how: SpeechAugmentation) -> Speech:
    """Read a folder without labels; what the run is judged by is of `data`."""
    training, notes = recorded.unlabelled(Path(recipe.unlabelled), recipe.schedule.examples)
    if recipe.data == DATA:
        speech = pictures.load_beside(training, how.seed, _every(recipe.schedule.examples))
    else:
        speech = recorded.load_beside(training, Path(recipe.data), how.seed, noise=how.noise > 0)
    return replace(speech, notes=speech.notes + notes)


def _every(examples: int) -> int:
    """Return how thinly to read the 45,473 training pictures for at most so many (0: all): decoding takes longest."""
    return max(1, min(45_473 // examples, 20)) if examples else 1


def inputs(shown: Pictures, frontend: FrontEnd) -> Floats:
    """Return model inputs (n, frames, columns, 1) of pictures as they are."""
    log_mel = to_log_mel(shown.grey[:, :: _step(frontend)].astype(np.float32))
    return frontend.from_log_mel(log_mel)[..., None]


def _fingerprint(speech: Speech, how: SpeechAugmentation) -> str:
    """Return 64 hex digits of the training pictures, their order, the noise, how both are changed, and by what code.

    A few changed pictures stand for the code: what was kept before it changed must not be taken for what it gives now.
    """
    digest = hashlib.sha256(repr(how).encode())
    few = replace(speech, training=speech.training.first(32))
    sample = to_grey(_views(few, replace(how, seed=0), SPEECH_LOG_MEL)(0).inputs)
    for array in (speech.training.grey, speech.training.labels, speech.noise, np.round(sample).astype(np.uint8)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _step(frontend: FrontEnd) -> int:
    """Return how many rows of a picture one hop is."""
    return round(frontend.hop_ms / SPEECH_LOG_MEL.hop_ms)


def _frontend(changes: dict[str, Any]) -> FrontEnd:
    """Return the pictures' front end with what a recipe may change."""
    unknown = set(changes) - set(_CHANGES)
    if unknown:
        raise UserError(f"expected one of {', '.join(_CHANGES)} in [frontend], got '{min(unknown)}'")
    frontend = replace(SPEECH_LOG_MEL, **changes)
    kept, most = frontend.coefficients, frontend.bins
    for name, value, good, range_ in (
        ("kind", frontend.kind, frontend.kind in ("mfcc", "log_mel"), "'mfcc' or 'log_mel'"),
        ("hop_ms", frontend.hop_ms, frontend.hop_ms in (10, 20), "10 or 20"),
        ("coefficients", kept, isinstance(kept, int) and 0 <= kept <= most, f"a whole number up to {most}"),
        ("coefficients", kept, bool(kept) == (frontend.kind == "mfcc"), "some for 'mfcc', 0 for 'log_mel',"),
        ("dct_norm", frontend.dct_norm, frontend.dct_norm in ("htk", "ortho"), "'htk' or 'ortho'"),
    ):
        if not good:
            raise UserError(f"expected {range_} for frontend.{name}, got {value!r}")
    return replace(frontend, hop_ms=float(frontend.hop_ms))


def _shown(frontend: FrontEnd) -> FrontEnd:
    """Return the front end of a teacher.

    Raises:
        UserError: the pictures do not show what it sees.
    """
    own = _frontend({name: getattr(frontend, name) for name in _CHANGES})
    alike = {name: getattr(frontend, name) for name in ("mean", "std", "scale", "zero_point", "rounding")}
    if replace(own, **alike) != frontend:
        raise UserError(
            f"expected a teacher whose front end differs from the training pictures' in {', '.join(_CHANGES)}, mean "
            f"and std alone, got {frontend}; name another in distill.teachers"
        )
    return frontend


def _same(asked: FrontEnd, start: FrontEnd) -> None:
    """Refuse a recipe whose front end is not that of the model to start from.

    Raises:
        UserError: they differ in more than mean and std.
    """
    for name in _CHANGES:
        if getattr(asked, name) != getattr(start, name):
            raise UserError(
                f"expected {getattr(start, name)!r} for frontend.{name}, as the model to start from has it, "
                f"got {getattr(asked, name)!r}"
            )


def _standardised(frontend: FrontEnd, shown: Pictures) -> FrontEnd:
    """Set mean and std to those of each column (rounded, so that a card can be read)."""
    values = inputs(shown, frontend)
    mean, std = values.mean(axis=(0, 1, 3)), values.std(axis=(0, 1, 3)).clip(1e-3)  # of silence alone it is 0
    return replace(frontend, mean=tuple(round(float(x), 4) for x in mean), std=tuple(round(float(x), 4) for x in std))


def _views(speech: Speech, how: SpeechAugmentation, frontend: FrontEnd) -> Callable[[int], View]:
    """Return the function from an epoch's number to its augmented inputs.

    Two front ends get the same augmented sound for the same epoch: every choice is made for rows of 10 ms.
    """
    shown, lead = speech.training, lead_in(speech.training.grey)
    labelled = one_hot(shown.labels, len(speech.classes))

    def view(epoch: int) -> View:
        random = np.random.default_rng((how.seed, how.view(epoch), 1))
        order = random.permutation(len(shown))  # neighbours are of one class, and mixing takes neighbours
        inputs: Floats | None = None
        targets = np.empty_like(labelled)
        for start in range(0, len(order), _CHUNK):
            chunk = order[start : start + _CHUNK]
            changed = augment(
                shown.grey[chunk].astype(np.float32), lead[chunk], speech.noise, how, _step(frontend), random
            )
            changed, partner, own = mix(changed, how, random)
            features = frontend.from_log_mel(to_log_mel(changed))[..., None]
            if inputs is None:
                inputs = np.empty((len(order), *features.shape[1:]), np.float32)
            inputs[chunk] = features
            targets[chunk] = labelled[chunk] * own[:, None] + labelled[chunk[partner]] * (1 - own)[:, None]
        assert inputs is not None
        return View(inputs, targets)

    return view
