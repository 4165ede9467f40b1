"""A user's own pictures, of any size, as arrays of one size."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.tasks.folders import some

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
WHAT = "PNG, JPEG or BMP files"

Shape = tuple[int, int, int]
"""Height, width, colours: 1 for grey, 3 for red, green, blue."""

_FORMATS = ("PNG", "JPEG", "BMP")
_MODES = {1: "L", 3: "RGB"}


def check(files: Sequence[Path], shape: Shape) -> tuple[str, ...]:
    """Read the headers of all files.

    Returns:
        What is done to some of them, one line each: resized, turned grey.

    Raises:
        UserError: a file is no picture, or one of more than 8 bits a colour; names it. Or the shape is no picture's.
    """
    if shape[2] not in _MODES or min(shape) < 1:
        raise UserError(f"expected a model that takes pictures of 1 or 3 colours, got one that takes {shape}")
    sizes: Counter[tuple[int, int]] = Counter()
    coloured = 0
    for file in files:
        with _opened(file) as picture:
            sizes[_size(picture)] += 1
            coloured += picture.mode not in ("1", "L")
    height, width, colours = shape
    others = {size: count for size, count in sizes.items() if size != (width, height)}
    notes = []
    if others:
        listed = some(f"{count} of {size[0]}x{size[1]}" for size, count in sorted(others.items()))
        notes.append(f"resized to {width}x{height}, the model's: {listed} (of {len(files)} files)")
    if colours == 1 and coloured:
        notes.append(f"turned grey, as the model takes one colour: {coloured} of {len(files)} files")
    return tuple(notes)


def read(files: Sequence[Path], shape: Shape) -> NDArray[np.uint8]:
    """Return the pictures (n, height, width, colours), uint8.

    They are turned upright as their EXIF data says, and resized with a triangle filter (Pillow's BILINEAR, which
    averages when it shrinks) without keeping the ratio of their sides. Transparency is dropped.

    Raises:
        UserError: a file cannot be read as a picture; names it.
    """
    pictures = np.empty((len(files), *shape), np.uint8)
    for row, file in enumerate(files):
        pictures[row] = _read(file, shape)
    return pictures


def _read(file: Path, shape: Shape) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    height, width, colours = shape
    with _opened(file) as picture:
        upright = ImageOps.exif_transpose(picture).convert(_MODES[colours])
        if upright.size != (width, height):
            upright = upright.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(upright, np.uint8).reshape(shape)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a picture; whatever is wrong with it, then or while it is read, is the user's to mend."""
    from PIL import Image

    try:
        with Image.open(file, formats=_FORMATS) as picture:
            if picture.mode[0] in "IF":
                raise UserError(f"expected 8 bits a colour in {file}, got mode {picture.mode}: convert the picture")
            yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "" if isinstance(error, Image.UnidentifiedImageError) else f" ({error})"
        raise UserError(f"expected a picture in {file}, got none that can be read{reason}: remove the file") from error


def _size(picture: Any) -> tuple[int, int]:
    """Return (width, height) as it is shown: EXIF's orientations 5 to 8 lie on their side."""
    width, height = picture.size
    # Without the check a PNG would be decoded to its end in search of EXIF data.
    turned = "exif" in picture.info and picture.getexif().get(0x0112, 1) >= 5
    return (height, width) if turned else (width, height)
