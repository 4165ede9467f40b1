"""How a model that no board runs is stored: as Keras stores it, in little more than half of the bytes.

Weights are rounded to the 11 bits of a half-precision number (IEEE 754, binary16), with the exponents of single
precision; the rest of each is zero and packs well. The rounding moves a weight by at most one part in 2,048, which a
teacher's answers feel in the third digit; any Keras reads the file.
"""

import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

_DROPPED_BITS = 13
"""Of the 24 of a single-precision number."""


def save(model: keras.Model, path: Path) -> None:
    """Round the weights of `model`, and write it as a .keras file.

    What the file holds is what `model` is afterwards: measure that.

    Raises:
        OSError: it cannot be written.
    """
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(rounded(np.asarray(weight)))
    with tempfile.TemporaryDirectory() as scratch:
        loose = Path(scratch, path.name)
        model.save(loose)
        with zipfile.ZipFile(loose) as parts, zipfile.ZipFile(path, "w", compresslevel=9) as packed:
            for name in sorted(parts.namelist()):
                packed.writestr(zipfile.ZipInfo(name), parts.read(name), zipfile.ZIP_DEFLATED)


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return numbers of any shape, each to the nearest with 11 significant bits, halves to even; the rest unchanged.

    What is infinite stays so, and what is no number stays none; what rounds beyond the largest becomes infinite.
    """
    bits = np.ascontiguousarray(values).view(np.uint32)
    last_kept = (bits >> _DROPPED_BITS) & 1
    up = np.uint32((1 << (_DROPPED_BITS - 1)) - 1) + last_kept
    nearest = ((bits + up) >> _DROPPED_BITS << _DROPPED_BITS).view(np.float32)
    return np.where(np.isfinite(values), nearest, values)
