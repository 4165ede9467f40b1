"""Data sets of small JPEG files in one npz: a header that all share, and the rest of each file."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def decode(path: Path, chosen: Iterable[int]) -> NDArray[np.uint8]:
    """Return the chosen pictures (n, height, width), with (..., 3) where they are coloured.

    Args:
        path: npz with `jpeg_header`, `jpeg_bodies` and `offsets`: file i is the header and
            `jpeg_bodies[offsets[i]:offsets[i + 1]]`.
        chosen: indices of the files.
    """
    with np.load(path) as packed:
        header, bodies, offsets = packed["jpeg_header"].tobytes(), packed["jpeg_bodies"].tobytes(), packed["offsets"]
    files = (header + bodies[offsets[i] : offsets[i + 1]] for i in chosen)
    return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
