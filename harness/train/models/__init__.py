"""Architectures, one family a file. `build(name, **sizes)` finds one by the name that recipes use."""

from typing import Any

import keras

from harness.errors import UserError
from harness.train.models.dscnn import dscnn

MODELS = {"dscnn": dscnn}


def build(architecture: str, shape: tuple[int, ...], classes: int, **sizes: Any) -> keras.Model:
    """Return an untrained model from inputs (batch, *shape) to logits (batch, classes).

    Raises:
        UserError: no family has that name, or it does not take such sizes.
    """
    if architecture not in MODELS:
        raise UserError(f"expected an architecture of {', '.join(sorted(MODELS))}, got '{architecture}'")
    try:
        return MODELS[architecture](shape, classes, **sizes)
    except TypeError as error:
        raise UserError(f"architecture '{architecture}' does not take these sizes: {error}") from error
