"""What the augmentation of every task is told."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Settings that every task has; those of a task are a subclass, and are its recipes' section [augmentation].

    Attributes:
        seed: of everything random in the views: runs that share it see the same views.
        views: how many different views there are, met in turn, one an epoch; 0 for a new one each epoch.
    """

    seed: int = 0
    views: int = 0

    def view(self, epoch: int) -> int:
        """Return the number of the view that an epoch sees."""
        return epoch % self.views if self.views else epoch

    def ranges(self) -> dict[str, tuple[bool, str]]:
        """Return for each field whether it is in its range, and the range in words."""
        return {field.name: (getattr(self, field.name) >= 0, "0 or more") for field in fields(self)}

    def within(self, limits: dict[str, float]) -> dict[str, tuple[bool, str]]:
        """Return the same for fields that go from 0 to a limit."""
        return {name: (0 <= getattr(self, name) <= limit, f"0 to {limit:g}") for name, limit in limits.items()}


def either_side(random: np.random.Generator, limit: float, count: int) -> NDArray[np.float32]:
    """Return (count,) numbers between -limit and limit."""
    return (random.uniform(-1, 1, count) * limit).astype(np.float32)
