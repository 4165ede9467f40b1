"""Augmentation of log-mel pictures: shift, warp, gain, noise, JPEG noise, SpecAugment, mixup; all seeded, all numpy.

Weak settings are right for students below 30,000 parameters; strong ones harm them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.train.augment import jpeg, mixing
from harness.train.augment.settings import Augmentation, either_side
from harness.train.pictures import to_grey, to_log_mel

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SpeechAugmentation(Augmentation):
    """How far a picture may be changed; zero everywhere leaves it as it is. The seed is of the choice of silence too.

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

    def ranges(self) -> dict[str, tuple[bool, str]]:
        """Return for each field whether it is in its range, and the range in words."""
        limits = {"align": 1.0, "noise": 1.0, "time_mask": 98.0, "mel_mask": 40.0}
        warps = {name: (0 <= getattr(self, name) < 1, "0 to below 1") for name in ("time_warp", "mel_warp")}
        return super().ranges() | self.within(limits) | warps


def augment(
    grey: Floats,
    lead: NDArray[np.int64],
    noise: Floats,
    how: SpeechAugmentation,
    step: int,
    random: np.random.Generator,
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
    levels = either_side(random, how.gain, len(grey))[:, None, None]
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


def mix(grey: Floats, how: SpeechAugmentation, random: np.random.Generator) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Mix each picture with the one before it.

    Returns:
        The pictures, the index of each one's partner, and the share (n,) of its own, 0.5 to 1.
    """
    own = mixing.own_shares(len(grey), how.mixup, random)
    return mixing.blend(grey, own[:, None, None]) if how.mixup else grey, mixing.partners(len(grey)), own


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


def _warp_time(
    grey: Floats, lead: NDArray[np.int64], how: SpeechAugmentation, step: int, random: np.random.Generator
) -> Floats:
    """Shift and stretch in time by linear interpolation; what comes in from outside is the border row, or empty."""
    count, rows, _ = grey.shape
    aligned = np.where(random.random(count) < how.align, lead, 0)
    shift = (either_side(random, how.shift, count) + aligned)[:, None]
    tempo = 1 + either_side(random, how.time_warp, count)[:, None]
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


def _warp_mel(grey: Floats, how: SpeechAugmentation, random: np.random.Generator) -> Floats:
    """Stretch and shift the mel axis by linear interpolation, as one small matrix a picture."""
    count, _, bins = grey.shape
    stretch = 1 + either_side(random, how.mel_warp, count)[:, None]
    shift = either_side(random, how.mel_shift, count)[:, None]
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
    noise = jpeg.drawn(jpeg.grey(98, 40)[:, ::step], largest, len(grey), random)
    return np.where(grey > 1, grey + noise, grey)
