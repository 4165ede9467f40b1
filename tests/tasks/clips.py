"""Folders of recordings and pictures for tests."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def tone(hertz: float, rate: int, seconds: float = 1.0, loud: float = 0.5) -> NDArray[np.float64]:
    """Return a sine."""
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def record(path: Path, sound: NDArray[np.float64], rate: int = 16_000) -> Path:
    """Write a recording, and the folder it lies in."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate)
    return path


def paint(path: Path, size: tuple[int, int] = (32, 32), colour: tuple[int, int, int] = (10, 20, 30)) -> Path:
    """Write a picture of one colour, and the folder it lies in."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path
