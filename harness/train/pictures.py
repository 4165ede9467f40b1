"""The training material of keyword spotting: log-mel pictures of Speech Commands, and silence made from noise.

A picture is 98 rows (10 ms each) of 40 mel bins; a grey level is `LEVELS * ln(P + 4e-7) + OFFSET` with P as
`harness.tasks.frontend.SPEECH_LOG_MEL` computes it (least squares over official test clips, for which both exist).
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.tasks import data, kws
from harness.tasks.frontend import SPEECH_LOG_MEL
from harness.tasks.kws import LABELS
from harness.train import packed
from harness.train.examples import evenly, pick, unknown

LEVELS = 9.977
OFFSET = 146.24

Grey = NDArray[np.uint8]
Sound = NDArray[np.float32]

#: Training noise comes from the first part of each recording, validation noise from the rest.
_NOISE_SPLIT = 0.85
_SILENT_PICTURES = (800, 200)
_SILENT_CROPS = (3_200, 400)


@dataclass(frozen=True)
class Pictures:
    """Pictures: `grey` uint8 (n, 98, 40), `labels` int64 (n,), indices of classes or all `UNKNOWN`; files or ()."""

    grey: Grey
    labels: NDArray[np.int64]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse pictures that have lost their labels."""
        if len(self.grey) != len(self.labels):
            raise ValueError(f"expected a label a picture, got {len(self.labels)} for {len(self.grey)}")

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.labels)

    def first(self, count: int) -> "Pictures":
        """Return at most `count` of them, taken evenly over all (they lie in order of class)."""
        chosen = evenly(len(self), count)
        return Pictures(self.grey[chosen], self.labels[chosen], pick(self.names, chosen))

    def unlabelled(self) -> "Pictures":
        """Return them without their labels."""
        return Pictures(self.grey, unknown(len(self)), self.names)


@dataclass(frozen=True)
class Speech:
    """What a keyword student is trained with.

    Attributes:
        training: pictures of the training speakers, and silence.
        validation: pictures of the validation speakers, and silence from other stretches of noise.
        noise: mel power spectra (n, 98, 40) of background noise of RMS 0.1, float32, to mix into pictures.
        classes: in the order of the labels' indices.
        notes: what a user should know of the material, one line each.
    """

    training: Pictures
    validation: Pictures
    noise: NDArray[np.float32]
    classes: tuple[str, ...] = LABELS
    notes: tuple[str, ...] = ()


def load(seed: int = 0, every: int = 1) -> Speech:
    """Read the pictures and the noise below HARNESS_DATA, and make silence from the noise.

    Args:
        seed: of the choice and the loudness of the noise.
        every: take each `every`-th recording and as much less silence; 1 for all.

    Raises:
        UserError: a file of the data folder is missing or damaged.
    """
    random, recordings = np.random.default_rng(seed), _recordings()
    training, validation = (_part(number, recordings, every, random) for number in range(2))
    return Speech(training=training, validation=validation, noise=noise(recordings, random))


def validation(seed: int = 0, every: int = 1) -> Pictures:
    """Return the validation pictures of `load` without reading what else it reads, which takes ten times longer."""
    random, recordings = np.random.default_rng(seed), _recordings()
    _silent_sound(*_noise_of(0, recordings, every), random)  # what is drawn next hangs on what was drawn before
    return _part(1, recordings, every, random)


def load_beside(training: Pictures, seed: int = 0, every: int = 1) -> Speech:
    """Return other training pictures beside the validation pictures of `load`, with noise to mix into them."""
    return Speech(training, validation(seed, every), noise(_recordings(), np.random.default_rng(seed)))


def _recordings() -> list[Sound]:
    archive = _file(*NOISE)
    return list(data.sounds(archive, data.members(archive), kws.SAMPLE_RATE))


def _noise_of(number: int, recordings: list[Sound], every: int) -> tuple[list[Sound], int]:
    """Return the noise of the training (0) or validation (1) set, and how many crops of it there are."""
    return [_stretch(each, training=number == 0) for each in recordings], _SILENT_CROPS[number] // every


def _part(number: int, recordings: list[Sound], every: int, random: np.random.Generator) -> Pictures:
    """Return the training (0) or the validation (1) pictures."""
    name = ("training", "validation")[number]
    spoken = _read(_file("speech_commands", f"logmel98x40_jpeg_{name}.npz"), every)
    quiet = _read(_file("speech_commands", "logmel98x40_jpeg_background.npz")).grey
    start = sum(_SILENT_PICTURES[:number])
    pictures = quiet[start : start + _SILENT_PICTURES[number]]
    sound = _silent_sound(*_noise_of(number, recordings, every), random)
    silence = np.concatenate([_silence(sound), pictures[::every]])
    labels = np.concatenate([spoken.labels, np.full(len(silence), LABELS.index("silence"))])
    names = spoken.names + tuple(f"{name} silence {place}" for place in range(len(silence)))
    return Pictures(np.concatenate([spoken.grey, silence]), labels, names)


NOISE = ("background_noise", "speech_commands_background_noise_flac.zip")
"""Where the noise lies below HARNESS_DATA."""


def _file(*parts: str) -> Path:
    return data.require("speech_commands", *parts)


def to_log_mel(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ln(P + 4e-7) of grey levels, of any shape."""
    return (grey - np.float32(OFFSET)) / np.float32(LEVELS)


def to_grey(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return grey levels, not rounded, in 0 to 255, of ln(P + 4e-7), of any shape."""
    return np.asarray(np.clip(log_mel * np.float32(LEVELS) + np.float32(OFFSET), 0, 255), np.float32)


def _read(path: Path, every: int = 1) -> Pictures:
    """Decode one npz of JPEG files that share a header; silence is what is named `_background_noise_`."""
    with np.load(path) as content:
        names = content["names"]
    grey = packed.decode(path, range(0, len(names), every))
    words = [name.decode().split("/")[0].replace("_background_noise_", "silence") for name in names[::every]]
    files = tuple(name.decode() for name in names[::every])
    return Pictures(grey, np.array([LABELS.index(word) for word in words]), files)


def _stretch(recording: Sound, training: bool) -> Sound:
    """Return the part of a noise recording that belongs to the training or the validation set."""
    border = int(len(recording) * _NOISE_SPLIT)
    return recording[:border] if training else recording[border:]


def _crops(recordings: list[Sound], count: int, random: np.random.Generator) -> Sound:
    """Return `count` random seconds, (count, 16000)."""
    crops = []
    for number in random.integers(len(recordings), size=count):
        start = random.integers(len(recordings[number]) - 16_000)
        crops.append(recordings[number][start : start + 16_000])
    return np.stack(crops)


def _at_loudness(sound: Sound, rms: NDArray[np.float64]) -> Sound:
    """Rescale each clip to its root mean square, and clip it to -1 to 1."""
    own = np.sqrt(np.mean(sound**2, axis=1, keepdims=True) + 1e-12)
    return np.asarray(np.clip(sound / own * rms[:, None], -1, 1), np.float32)


def _silent_sound(recordings: list[Sound], count: int, random: np.random.Generator) -> Sound:
    """Return (count, 16000) of noise, RMS log-uniform from 5e-5 to 0.35, one in 50 digital silence.

    The recordings are far quieter than the official test's silence; without the rescaling a third of it is missed.
    """
    sound = _at_loudness(_crops(recordings, count, random), 10 ** random.uniform(-4.3, -0.45, count))
    sound[random.random(count) < 0.02] = 0
    return sound


def _silence(sound: Sound) -> Grey:
    """Return pictures of sound, half of them through JPEG."""
    sound = np.round(sound * 32767) / np.float32(32768)
    log_mel = np.concatenate([SPEECH_LOG_MEL.log_mel(part) for part in np.array_split(sound, -(-len(sound) // 256))])
    grey = np.round(to_grey(log_mel)).astype(np.uint8)
    grey[::2] = np.stack([_through_jpeg(picture) for picture in grey[::2]])
    return grey


def _through_jpeg(picture: Grey) -> Grey:
    """Return the picture as quality 75 leaves it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def noise(recordings: list[Sound], random: np.random.Generator) -> NDArray[np.float32]:
    """Return mel power spectra (512, 98, 40) at RMS 0.1 of the training part of recordings longer than 1.2 s."""
    own = [_stretch(recording, training=True) for recording in recordings]
    sound = _at_loudness(_crops(own, 512, random), np.full(512, 0.1))
    return np.exp(SPEECH_LOG_MEL.log_mel(sound)) - np.float32(SPEECH_LOG_MEL.log_offset)
