"""What all mixing of items has in common: whose partner is whose, and how much stays an item's own."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def own_shares(count: int, beta: float, random: np.random.Generator) -> Floats:
    """Return (count,) shares of 0.5 to 1 that stay an item's own, from the Beta distribution; 1 where `beta` is 0."""
    own = random.beta(beta, beta, count) if beta else np.ones(count)
    return np.maximum(own, 1 - own).astype(np.float32)


def partners(count: int) -> NDArray[np.int64]:
    """Return (count,) indices of what is mixed into each: the item before it."""
    return np.roll(np.arange(count), 1)


def blend(items: Floats, own: Floats) -> Floats:
    """Return each item times its own share, plus its partner times the rest.

    Args:
        items: (n, ...).
        own: as many dimensions; what has size 1 there has one share for all.
    """
    return np.asarray(items * own + items[partners(len(items))] * (1 - own), np.float32)
