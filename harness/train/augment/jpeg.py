"""Noise of the shape of JPEG's own error, so that a model does not learn that error from pictures that have it.

Each coefficient of each 8x8 block errs uniformly within half a quantisation step of quality 75. Real errors are smaller
where a coefficient is smaller than half its step: log-mel pictures take an amplitude of 0 to 0.9. CIFAR-10 is there
with and without JPEG: steps cut off at 24 (brightness) and 16 (colours) give, at amplitude 1, its error's standard
deviation in red, green and blue (8.5, 6.8, 9.8; real 8.2, 6.1, 9.6), and its spectrum within 36 %; the brightness table
on each colour misses the spectrum by 82 %.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Table = tuple[tuple[int, ...], ...]

#: Quantisation table of brightness (ITU-T T.81, table K.1), which quality 75 halves.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)

#: The same of the two colour differences (table K.2).
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)

#: Steps that no error of a natural picture is as large as.
_CUT_LUMINANCE, _CUT_CHROMINANCE = 24, 16

#: From brightness and colour differences to red, green, blue (JFIF).
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


@lru_cache
def grey(height: int, width: int, count: int = 1024, seed: int = 5) -> Floats:
    """Return errors (count, height, width) of grey pictures."""
    return _errors(LUMINANCE, (count, height, width), np.random.default_rng(seed))


@lru_cache
def coloured(height: int, width: int, count: int = 1024, seed: int = 5) -> Floats:
    """Return errors (count, height, width, 3) of pictures whose colour differences are kept at half the size."""
    random = np.random.default_rng(seed)
    brightness = _errors(LUMINANCE, (count, height, width), random, _CUT_LUMINANCE)
    half = (count, -(-height // 2), -(-width // 2))
    small = [_errors(CHROMINANCE, half, random, _CUT_CHROMINANCE) for _ in range(2)]
    colours = [each.repeat(2, axis=1).repeat(2, axis=2) for each in small]
    planes = np.stack([brightness, *(colour[:, :height, :width] for colour in colours)], axis=-1)
    return np.asarray(planes @ np.array(_TO_RGB, np.float32).T, np.float32)


def drawn(errors: Floats, largest: float, count: int, random: np.random.Generator) -> Floats:
    """Return errors for `count` pictures, each times an amplitude of 0 to `largest`."""
    amplitude = random.uniform(0, largest, count).astype(np.float32)
    chosen: Floats = errors[random.integers(len(errors), size=count)]
    return chosen * amplitude.reshape(-1, *[1] * (errors.ndim - 1))


def _errors(
    table: Sequence[Sequence[int]], shape: tuple[int, int, int], random: np.random.Generator, cut: int = 255
) -> Floats:
    """Return errors of pictures (count, height, width) of one plane, no step above `cut`."""
    count, height, width = shape
    steps = np.minimum(np.floor((np.array(table, np.float32) * 50 + 50) / 100), cut)
    down, across = -(-height // 8), -(-width // 8)
    blocks = random.uniform(-0.5, 0.5, (count, down, across, 8, 8)).astype(np.float32) * steps
    frequency = np.arange(8)[:, None]
    basis = np.cos((2 * np.arange(8) + 1) * frequency * np.pi / 16) * np.sqrt(np.where(frequency == 0, 1, 2) / 8)
    pixels = np.einsum("ux,nabuv,vy->naxby", basis, blocks, basis, optimize=True)
    return np.asarray(pixels.reshape(count, 8 * down, 8 * across)[:, :height, :width], np.float32)
