"""A user's own recordings as training material: the same pictures, computed from sound."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.tasks import data, folders, kws
from harness.tasks.dataset import Dataset
from harness.tasks.frontend import SPEECH_LOG_MEL
from harness.train import pictures
from harness.train.pictures import Pictures, Speech, to_grey

_CHUNK = 256


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
    return Speech(
        training=_pictures(training),
        validation=_pictures(validation),
        noise=_noise(path, seed) if noise else np.zeros((1, 98, 40), np.float32),
        classes=training.classes,
        notes=training.notes,
    )


def _pictures(dataset: Dataset) -> Pictures:
    """Return the recordings as grey levels, like the training pictures of Speech Commands but without JPEG's error."""
    grey = []
    for start in range(0, len(dataset.labels), _CHUNK):
        sound = dataset.fetch(np.arange(start, min(start + _CHUNK, len(dataset.labels))))
        grey.append(np.round(to_grey(SPEECH_LOG_MEL.log_mel(sound))).astype(np.uint8))
    labels = np.array([dataset.classes.index(label) for label in dataset.labels])
    return Pictures(np.concatenate(grey), labels, dataset.names)


def _noise(path: Path, seed: int) -> NDArray[np.float32]:
    """Return mel power spectra (512, 98, 40) of background noise."""
    own = sorted((path / kws.BACKGROUND).glob("*.[wf][al][va]*"))
    if own:
        recordings = [data.sound(file, file.name, kws.SAMPLE_RATE) for file in own]
    elif data.find(*pictures.NOISE):
        archive = data.require("background_noise", *pictures.NOISE)
        recordings = list(data.sounds(archive, data.members(archive), kws.SAMPLE_RATE))
    else:
        raise UserError(
            f"expected recordings of noise in {path / kws.BACKGROUND} (or HARNESS_DATA) for augmentation.noise, found "
            f"none; add some, or --set augmentation.noise=0"
        )
    recordings = [np.resize(each, max(len(each), 2 * kws.CLIP)) for each in recordings]
    return pictures.noise(recordings, np.random.default_rng(seed))
