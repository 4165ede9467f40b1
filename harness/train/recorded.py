"""A user's own recordings as training material: the same pictures, computed from sound."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.tasks import data, folders, kws, recordings
from harness.tasks.dataset import Dataset
from harness.tasks.frontend import SPEECH_LOG_MEL
from harness.train import pictures
from harness.train.examples import evenly, unknown
from harness.train.pictures import Pictures, Speech, to_grey

_CHUNK = 256
_NO_NOISE: tuple[NDArray[np.float32], tuple[str, ...]] = (np.zeros((1, 98, 40), np.float32), ())


def load(path: Path, seed: int, *, noise: bool) -> Speech:
    """Read a folder with one folder a word.

    Its splits train and validation are what is learned from; harness/tasks/split.py says how they are made.

    Args:
        path: the folder.
        seed: of the choice of noise.
        noise: whether background noise is needed, from the folder's `_background_noise_`, else from HARNESS_DATA.

    Raises:
        UserError: no recordings, a single class, a class that a split lacks, or no noise where it is needed.
    """
    training, validation = (kws.folder(path, split) for split in ("train", "validation"))
    for dataset in (training, validation):
        folders.check_trainable(dataset)
    noises, notes = _noise(path, seed) if noise else _NO_NOISE
    return Speech(_pictures(training), _pictures(validation), noises, training.classes, training.notes + notes)


def load_beside(training: Pictures, path: Path, seed: int, *, noise: bool) -> Speech:
    """Return other training pictures beside the validation pictures of `load`, with noise to mix into them."""
    validation = kws.folder(path, "validation")
    folders.check_trainable(validation)
    noises, notes = _noise(path, seed) if noise else _NO_NOISE
    return Speech(training, _pictures(validation), noises, validation.classes, validation.notes + notes)


def unlabelled(path: Path, limit: int = 0) -> tuple[Pictures, tuple[str, ...]]:
    """Read all recordings in a folder and in those below it, whose names say nothing.

    Recordings are cut into pieces of one second; shorter ones are padded with zeros.

    Args:
        path: the folder.
        limit: take at most so many pieces, spread evenly; 0 for all.

    Returns:
        The pieces as pictures, without labels and names, and what a user should know of them.

    Raises:
        UserError: there are none, or a file is none.
    """
    clip = recordings.Clip(kws.SAMPLE_RATE, kws.CLIP)
    files, notes = folders.below(path, recordings.SUFFIXES, recordings.WHAT)
    pieces, more = recordings.pieces(files, clip)
    chosen = evenly(len(pieces), limit or len(pieces))

    def fetch(places: NDArray[np.int64]) -> NDArray[np.float32]:
        return recordings.read([pieces[place] for place in chosen[places]], clip)

    return Pictures(_grey(fetch, len(chosen)), unknown(len(chosen))), notes + more


def _pictures(dataset: Dataset) -> Pictures:
    labels = np.array([dataset.classes.index(label) for label in dataset.labels])
    return Pictures(_grey(dataset.fetch, len(labels)), labels, dataset.names)


def _grey(fetch: Callable[[NDArray[np.int64]], NDArray[np.float32]], count: int) -> NDArray[np.uint8]:
    """Return recordings as grey levels, like the training pictures of Speech Commands but without JPEG's error."""
    grey = []
    for start in range(0, count, _CHUNK):
        sound = fetch(np.arange(start, min(start + _CHUNK, count)))
        grey.append(np.round(to_grey(SPEECH_LOG_MEL.log_mel(sound))).astype(np.uint8))
    return np.concatenate(grey)


def _noise(path: Path, seed: int) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return mel power spectra (512, 98, 40) of background noise, and what a user should know of it."""
    beside = path / kws.BACKGROUND
    said: tuple[str, ...] = ()
    own = folders.files_in(beside, recordings.SUFFIXES)
    if own:
        sounds, said = recordings.whole(own, kws.SAMPLE_RATE)
    elif data.find(*pictures.NOISE):
        archive = data.require("background_noise", *pictures.NOISE)
        sounds = list(data.sounds(archive, data.members(archive), kws.SAMPLE_RATE))
    else:
        raise UserError(
            f"expected recordings of noise in {path / kws.BACKGROUND} (or HARNESS_DATA) for augmentation.noise, found "
            f"none; add some, or --set augmentation.noise=0"
        )
    sounds = [np.resize(each, max(len(each), 2 * kws.CLIP)) for each in sounds]
    return pictures.noise(sounds, np.random.default_rng(seed)), tuple(f"{beside}: {note}" for note in said)
