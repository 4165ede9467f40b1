"""A labelled set of raw items, read only when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SHUFFLE_SEED = 0


@dataclass(frozen=True)
class Dataset:
    """Raw items and what they are.

    Attributes:
        name: as it stands in the rows.
        kind: "sound" (n, samples) float in -1 to 1, "picture" (n, h, w, colours) uint8, or "map" (n, ...) int8, the
            input of a model with MLPerf Tiny's front end.
        labels: the class of every item, by name.
        fetch: from indices (n,) to items.
        classes: of a user's own folder, sorted: what a model trained on it knows; also those that this split lacks.
            () where the task knows its classes.
        notes: what a user should know of the items, one line each: resampled, resized, left out.
        names: the file of every item, () where it has none.
    """

    name: str
    kind: Literal["sound", "picture", "map"]
    labels: tuple[str, ...]
    fetch: Callable[[NDArray[np.int64]], NDArray[Any]]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def choose(self, samples: int) -> NDArray[np.int64]:
        """Return the indices of the first `samples` of a fixed shuffle; all, in order, where there are no more."""
        size = len(self.labels)
        if samples >= size:
            return np.arange(size)
        return np.random.default_rng(SHUFFLE_SEED).permutation(size)[:samples]
