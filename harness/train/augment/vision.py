"""Augmentation of pictures: flip, crop, colour, noise of JPEG's shape, cutout, mixup, cutmix; all seeded, all numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.train.augment import jpeg, mixing
from harness.train.augment.settings import Augmentation, either_side

Floats = NDArray[np.float32]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Brightness of red, green, blue."""

_NOISE_VALUES = 2**22
"""What noise is kept: 1,365 pictures of 32x32x3."""


@dataclass(frozen=True, kw_only=True)
class VisionAugmentation(Augmentation):
    """How far a picture may be changed; zero everywhere leaves it as it is.

    Attributes:
        flip: share of the pictures that are mirrored left to right.
        crop: pixels that a picture is moved by at most, in each direction; what comes in is the picture's reflection.
        brightness: levels, of 256, to either side.
        contrast: relative change of the distance from the picture's mean, to either side.
        saturation: relative change of the distance from grey, to either side.
        jpeg_noise: largest amplitude of noise shaped like JPEG's own error, so that a model does not learn that error;
            1 is as large as the real one.
        cutout: side of a square, in pixels, that becomes the picture's mean colour (DeVries and Taylor,
            arXiv:1708.04552); its middle lies anywhere in the picture.
        mixup: parameter of the Beta distribution that says how much of another picture is mixed in (Zhang et al.,
            arXiv:1710.09412); the larger share stays the picture's own.
        cutmix: parameter of the Beta distribution of the share of a rectangle that shows another picture (Yun et al.,
            arXiv:1905.04899); the larger part stays the picture's own. Beside mixup, each picture gets one of the two.
        mixed: share of the pictures that get mixup or cutmix.
    """

    flip: float = 0.0
    crop: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    jpeg_noise: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    mixed: float = 1.0

    def ranges(self) -> dict[str, tuple[bool, str]]:
        """Return for each field whether it is in its range, and the range in words."""
        limits = {"flip": 1.0, "brightness": 255.0, "contrast": 1.0, "saturation": 1.0, "mixed": 1.0}
        return super().ranges() | self.within(limits)


def augment(pixels: Floats, how: VisionAugmentation, random: np.random.Generator) -> Floats:
    """Return changed pictures (n, height, width, colours), 0 to 255.

    Args:
        pixels: the same shape, 0 to 255; one colour is grey, three are red, green, blue.
        how: the strength of each change.
        random: the source of all choices.
    """
    if how.jpeg_noise:  # before the crop: it lies on the same 8x8 blocks as the pictures' own
        pixels = pixels + jpeg.drawn(_noise(pixels.shape[1:]), how.jpeg_noise, len(pixels), random)
    if how.flip or how.crop:
        pixels = _moved(pixels, how, random)
    if how.brightness or how.contrast or how.saturation:
        pixels = _tinted(pixels, how, random)
    pixels = np.clip(pixels, 0, 255)
    return _cut_out(pixels, how.cutout, random) if how.cutout else pixels


def mix(
    pixels: Floats, how: VisionAugmentation, random: np.random.Generator
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Mix each picture with the one before it, by mixup or by cutmix.

    Returns:
        The pictures, the index of each one's partner, and the share (n,) of its own, 0.5 to 1: of cutmix the part of
        its pixels.
    """
    count = len(pixels)
    own, partner = np.ones(count, np.float32), mixing.partners(count)
    if not (how.mixup or how.cutmix):
        return pixels, partner, own
    mixed = random.random(count) < how.mixed
    pasted = (random.random(count) < 0.5) if how.mixup and how.cutmix else np.full(count, bool(how.cutmix))
    kept = np.ones(pixels.shape[:3], np.float32)
    if how.mixup:
        blended = mixing.own_shares(count, how.mixup, random)
        kept *= np.where(mixed & ~pasted, blended, 1)[:, None, None]
    if how.cutmix:
        inside = _rectangles(pixels.shape[:3], 1 - mixing.own_shares(count, how.cutmix, random), random)
        kept *= ~(inside & (mixed & pasted)[:, None, None])
    return mixing.blend(pixels, kept[..., None]), partner, kept.mean(axis=(1, 2))


def _noise(shape: tuple[int, ...]) -> Floats:
    """Return errors (m, height, width, colours) of JPEG."""
    height, width, colours = shape
    count = max(64, _NOISE_VALUES // (height * width * colours))
    return jpeg.coloured(height, width, count) if colours == 3 else jpeg.grey(height, width, count)[..., None]


def _moved(pixels: Floats, how: VisionAugmentation, random: np.random.Generator) -> Floats:
    """Mirror and move pictures; what comes in from outside is their reflection."""
    count, height, width, _ = pixels.shape
    down, across = random.integers(-how.crop, how.crop + 1, (2, count, 1))
    rows, columns = _reflected(np.arange(height) + down, height), _reflected(np.arange(width) + across, width)
    flipped = np.asarray(random.random((count, 1)) < how.flip)
    columns = np.where(flipped, columns[:, ::-1], columns)
    moved: Floats = pixels[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def _reflected(positions: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return positions within 0 to size - 1, those outside mirrored at the border, which is not repeated."""
    period = max(1, 2 * (size - 1))
    within = positions % period
    return np.minimum(within, period - within) if size > 1 else np.zeros_like(positions)


def _tinted(pixels: Floats, how: VisionAugmentation, random: np.random.Generator) -> Floats:
    """Change saturation, contrast and brightness."""
    count, _, _, colours = pixels.shape
    names = (how.brightness, how.contrast, how.saturation)
    brightness, contrast, saturation = (either_side(random, limit, count)[:, None, None, None] for limit in names)
    if colours == 3 and how.saturation:
        grey = (pixels @ _GREY)[..., None]
        pixels = np.asarray(grey + (pixels - grey) * (1 + saturation), np.float32)
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return np.asarray(mean + (pixels - mean) * (1 + contrast) + brightness, np.float32)


def _cut_out(pixels: Floats, side: int, random: np.random.Generator) -> Floats:
    """Hide a square, or what of it lies in the picture."""
    count, height, width, _ = pixels.shape
    inside = np.ones((count, height, width), bool)
    for axis, size in ((1, height), (2, width)):
        start = np.asarray(random.integers(size, size=count) - side // 2)
        inside &= _between(start, start + side, size, axis)
    return np.where(inside[..., None], pixels.mean(axis=(1, 2), keepdims=True), pixels)


def _rectangles(shape: tuple[int, ...], share: Floats, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return (n, height, width): whether a pixel lies in a rectangle of about that share and of the picture's ratio."""
    _, height, width = shape
    inside = np.ones(shape, bool)
    for axis, size in ((1, height), (2, width)):
        extent = np.floor(np.sqrt(share) * size).astype(np.int64)
        start = random.integers(0, size - extent + 1)
        inside &= _between(start, start + extent, size, axis)
    return inside


def _between(start: NDArray[np.int64], end: NDArray[np.int64], size: int, axis: int) -> NDArray[np.bool_]:
    """Return whether each position of an axis lies from `start` to before `end`; shape (n, size, 1) or (n, 1, size)."""
    inside = (np.arange(size) >= start[:, None]) & (np.arange(size) < end[:, None])
    return inside[:, :, None] if axis == 1 else inside[:, None, :]
