"""Augmentation of log-mel pictures: shift, warp, gain, noise, JPEG noise, SpecAugment, mixup; all seeded, all numpy.

Weak settings are right for students below 30,000 parameters; strong ones harm them.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.train.pictures import to_grey, to_log_mel

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How far a picture may be changed; zero everywhere leaves it as it is.

    Attributes:
        shift: rows (10 ms each) to either side.
        align: share of the short recordings that are moved to the start, as padding their sound at the end would
            (the pictures centre them).
        time_warp: relative change of the tempo, to either side.
        mel_warp: relative change of the mel axis, to either side.
        mel_shift: bins to either side.
        gain: grey levels to either side (10 levels are 4.4 dB).
        noise: share of the pictures that get background noise, its RMS log-uniform from 0.0003 to 0.1.
        jpeg_noise: largest amplitude of noise shaped like JPEG's own error, so that a model does not learn that error.
        time_masks: stretches of rows that become the picture's mean (SpecAugment, Park et al.,
            arXiv:1904.08779).
        time_mask: longest of them, rows.
        mel_masks: the same of mel bins.
        mel_mask: widest of them, bins.
        mixup: parameter of the Beta distribution that says how much of another picture is mixed in (Zhang et al.,
            arXiv:1710.09412); the larger share stays the picture's own.
        seed: of everything random in the views and of the choice of silence: runs that share it see the same views.
        views: how many different views there are, met in turn, one an epoch; 0 for a new one each epoch.
    """

    shift: float = 0.0
    align: float = 0.0
    time_warp: float = 0.0
    mel_warp: float = 0.0
    mel_shift: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    jpeg_noise: float = 0.0
    time_masks: int = 0
    time_mask: float = 15.0
    mel_masks: int = 0
    mel_mask: float = 6.0
    mixup: float = 0.0
    seed: int = 0
    views: int = 0

    def view(self, epoch: int) -> int:
        """Return the number of the view that an epoch sees."""
        return epoch % self.views if self.views else epoch

    def ranges(self) -> dict[str, tuple[bool, str]]:
        """Return for each field whether it is in its range, and the range in words."""
        shares, limited = ("align", "noise"), ("time_warp", "mel_warp")
        ranges = {field.name: (getattr(self, field.name) >= 0, "0 or more") for field in fields(self)}
        ranges |= {name: (0 <= getattr(self, name) <= 1, "0 to 1") for name in shares}
        ranges |= {name: (0 <= getattr(self, name) < 1, "0 to below 1") for name in limited}
        ranges["time_mask"] = (0 <= self.time_mask <= 98, "0 to 98")
        ranges["mel_mask"] = (0 <= self.mel_mask <= 40, "0 to 40")
        return ranges


def augment(
    grey: Floats, lead: NDArray[np.int64], noise: Floats, how: Augmentation, step: int, random: np.random.Generator
) -> Floats:
    """Return changed pictures (n, ceil(98 / step), 40), grey levels 0 to 255.

    Args:
        grey: (n, 98, 40), grey levels.
        lead: (n,) empty rows before a centred short recording, from `lead_in`; 0 for others.
        noise: mel power spectra (m, 98, 40) at RMS 0.1.
        how: the strength of each change.
        step: take every `step`-th row: 2 for a model with a hop of 20 ms.
        random: the source of all choices.
    """
    mean = grey.mean(axis=(1, 2), keepdims=True)  # of all rows, whatever the step
    grey = _warp_time(grey, lead, how, step, random)
    if how.mel_warp or how.mel_shift:
        grey = _warp_mel(grey, how, random)
    levels = _either_side(random, how.gain, len(grey))[:, None, None]
    grey = np.where(grey > 0, grey + levels, grey)
    noisy = np.flatnonzero(random.random(len(grey)) < how.noise)
    grey[noisy] = _add_noise(grey[noisy], noise[:, ::step], random)
    if how.jpeg_noise:
        grey = _add_jpeg_noise(grey, how.jpeg_noise, step, random)
    grey = np.clip(grey, 0, 255)
    for _ in range(how.time_masks):
        hidden = _stretch(len(grey), np.arange(0, 98, step), 98, how.time_mask, random)
        grey = np.where(hidden[:, :, None], mean, grey)
    for _ in range(how.mel_masks):
        hidden = _stretch(len(grey), np.arange(40), 40, how.mel_mask, random)
        grey = np.where(hidden[:, None, :], mean, grey)
    return np.asarray(grey, np.float32)


def mix(grey: Floats, how: Augmentation, random: np.random.Generator) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Mix each picture with the one before it.

    Returns:
        The pictures, the index of each one's partner, and the share (n,) of its own, 0.5 to 1.
    """
    own = random.beta(how.mixup, how.mixup, len(grey)) if how.mixup else np.ones(len(grey))
    share: Floats = np.maximum(own, 1 - own).astype(np.float32)
    partner: NDArray[np.int64] = np.roll(np.arange(len(grey)), 1)
    if how.mixup:
        other = 1 - share
        grey = grey * share[:, None, None] + grey[partner] * other[:, None, None]
    return grey, partner, share


def _stretch(
    count: int, positions: NDArray[np.int64], length: int, longest: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return (count, positions): whether each lies in a random stretch of 0 to `longest` within `length`."""
    extent = random.uniform(0, longest, (count, 1))
    start = random.uniform(0, 1, (count, 1)) * (length - extent)
    return (positions >= start) & (positions < start + extent)


def lead_in(grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each picture how many empty rows come before a recording shorter than 1 s that was centred, else 0."""
    filled = grey.mean(axis=2) > 5
    before = filled.argmax(axis=1)
    after = filled[:, ::-1].argmax(axis=1)
    centred = (before >= 2) & (after >= 2) & (np.abs(before - after) <= 4)
    return np.where(centred, before, 0)


def _either_side(random: np.random.Generator, limit: float, count: int) -> Floats:
    return (random.uniform(-1, 1, count) * limit).astype(np.float32)


def _warp_time(
    grey: Floats, lead: NDArray[np.int64], how: Augmentation, step: int, random: np.random.Generator
) -> Floats:
    """Shift and stretch in time by linear interpolation; what comes in from outside is the border row, or empty."""
    count, rows, _ = grey.shape
    aligned = np.where(random.random(count) < how.align, lead, 0)
    shift = (_either_side(random, how.shift, count) + aligned)[:, None]
    tempo = 1 + _either_side(random, how.time_warp, count)[:, None]
    middle = (rows - 1) / 2
    source = ((np.arange(0, rows, step) - middle) * tempo + middle + shift).astype(np.float32)
    outside = (source < -0.5) | (source > rows - 0.5)
    dropped = np.asarray(random.random(count) < 0.5)
    empty = outside & dropped[:, None]
    source = np.clip(source, 0, rows - 1)
    below = np.minimum(source.astype(np.int64), rows - 2)
    weight = (source - below)[:, :, None]
    picture = np.arange(count)[:, None]
    warped: Floats = grey[picture, below] * (1 - weight) + grey[picture, below + 1] * weight
    warped[empty] = 0
    return warped


def _warp_mel(grey: Floats, how: Augmentation, random: np.random.Generator) -> Floats:
    """Stretch and shift the mel axis by linear interpolation, as one small matrix a picture."""
    count, _, bins = grey.shape
    stretch = 1 + _either_side(random, how.mel_warp, count)[:, None]
    shift = _either_side(random, how.mel_shift, count)[:, None]
    source = np.clip(np.arange(bins) * stretch + shift, 0, bins - 1).astype(np.float32)
    distance = np.abs(np.arange(bins, dtype=np.float32)[None, :, None] - source[:, None, :])
    return np.asarray(grey @ np.maximum(0, 1 - distance), np.float32)


def _add_noise(grey: Floats, noise: Floats, random: np.random.Generator) -> Floats:
    """Add the power spectra of noise to those the pictures show."""
    amplitude = 10 ** random.uniform(-2.5, 0, len(grey)).astype(np.float32)
    power = noise[random.integers(len(noise), size=len(grey))] * amplitude[:, None, None] ** 2
    return to_grey(np.log(np.exp(to_log_mel(grey)) + power))


def _add_jpeg_noise(grey: Floats, largest: float, step: int, random: np.random.Generator) -> Floats:
    """Add quantisation noise of JPEG wherever a picture is not empty."""
    noise = _jpeg_noise()[:, ::step]
    amplitude = random.uniform(0, largest, len(grey)).astype(np.float32)[:, None, None]
    noisy = grey + noise[random.integers(len(noise), size=len(grey))] * amplitude
    return np.where(grey > 1, noisy, grey)


#: Luminance quantisation table of JPEG (ITU-T T.81, table K.1), which quality 75 halves.
_JPEG_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@lru_cache
def _jpeg_noise(count: int = 1024, seed: int = 5) -> Floats:
    """Return (count, 98, 40) errors: each coefficient of each 8x8 block uniform within half a quantisation step."""
    steps = np.floor((np.array(_JPEG_LUMINANCE, np.float32) * 50 + 50) / 100)
    blocks = np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 13, 5, 8, 8)).astype(np.float32) * steps
    frequency = np.arange(8)[:, None]
    basis = np.cos((2 * np.arange(8) + 1) * frequency * np.pi / 16) * np.sqrt(np.where(frequency == 0, 1, 2) / 8)
    pixels = np.einsum("ux,nabuv,vy->naxby", basis, blocks, basis, optimize=True)
    return np.asarray(pixels.reshape(count, 104, 40)[:, :98], np.float32)
