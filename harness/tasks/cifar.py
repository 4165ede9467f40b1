"""The original files of CIFAR-10 (`cifar-10-batches-py`): pickles, of which only arrays and plain values are taken.

A pickle may name any function to call. The six files need three of numpy's and nothing else, so nothing else is
allowed, whoever made the file.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct  # what every pickled array names
from numpy.typing import NDArray

from harness.errors import UserError

FOLDER = "cifar-10-batches-py"
BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
SIDE = 32
"""Pixels."""

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def read(folder: Path, split: str) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Return pictures (n, 32, 32, 3) and labels (0 to 9) of "train" or "test", in the order of the files.

    Raises:
        UserError: a file is missing, damaged, or asks for more than arrays.
    """
    batches = [_batch(folder / name) for name in BATCHES[split]]
    pictures = np.concatenate([pixels for pixels, _ in batches])
    planes = pictures.reshape(-1, 3, SIDE, SIDE)  # a plane a colour, row by row
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), tuple(label for _, labels in batches for label in labels)


def _batch(path: Path) -> tuple[NDArray[np.uint8], list[int]]:
    try:
        with path.open("rb") as file:
            content = _Unpickler(file, encoding="bytes").load()  # Python 2 wrote them: its str are bytes
        pixels, labels = np.asarray(content[b"data"]), list(content[b"labels"])
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(
            f"expected a batch of CIFAR-10 at {path}, found nothing: run harness data get cifar10"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise UserError(f"expected a batch of CIFAR-10 at {path}, got {type(error).__name__}: {error}") from error
    right = pixels.dtype == np.uint8 and pixels.shape == (len(labels), 3 * SIDE * SIDE)
    if not right or not all(isinstance(label, int) and 0 <= label <= 9 for label in labels):
        raise UserError(f"expected a batch of CIFAR-10 at {path}, got arrays of other types or sizes")
    return pixels, labels


class _Unpickler(pickle.Unpickler):
    """Knows arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the allowed, refuse every other (UserError)."""
        try:
            return _ALLOWED[module, name]
        except KeyError as error:
            raise UserError(
                f"expected a batch of CIFAR-10, got a pickle that asks for {module}.{name}: do not trust it"
            ) from error
