"""Architectures, one family a file. `build(name, **sizes)` finds one by the name that recipes use."""

from collections.abc import Callable
from typing import Any

import keras

from harness.errors import UserError
from harness.train.models.dscnn import dscnn
from harness.train.models.hybrid import hybrid
from harness.train.models.recurrent import recurrent
from harness.train.models.resnet import resnet
from harness.train.models.separable import separable
from harness.train.models.temporal import temporal
from harness.train.models.transformer import transformer

HOST_ONLY = frozenset({"recurrent", "transformer"})
"""Families with operators that no board runs: their models are float, .keras files."""

MODELS: dict[str, Callable[..., keras.Model]] = {
    "dscnn": dscnn,
    "hybrid": hybrid,
    "recurrent": recurrent,
    "resnet": resnet,
    "separable": separable,
    "temporal": temporal,
    "transformer": transformer,
}


def find(architecture: str) -> Callable[..., keras.Model]:
    """Return the family of that name.

    Raises:
        UserError: there is none.
    """
    if architecture not in MODELS:
        raise UserError(f"expected an architecture of {', '.join(sorted(MODELS))}, got '{architecture}'")
    return MODELS[architecture]


def check_export(architecture: str, kind: str) -> None:
    """Refuse, before anything is trained, what could not be exported after it.

    Args:
        architecture: a name in `MODELS`.
        kind: as a recipe's `export.kind`.

    Raises:
        UserError: no board runs that family, and the kind is int8.
    """
    if architecture in HOST_ONLY and kind == "int8":
        raise UserError(
            f"expected host (a student) or float (a teacher) for export.kind of the architecture '{architecture}', "
            "got int8: no board runs it, so its accuracy is that of the float model on this computer"
        )


def build(architecture: str, shape: tuple[int, ...], classes: int, /, **sizes: Any) -> keras.Model:
    """Return an untrained model from inputs (batch, *shape) to logits (batch, classes).

    Raises:
        UserError: no family has that name, or it does not take such sizes.
    """
    family = find(architecture)
    try:
        return family(shape, classes, **sizes)
    except (TypeError, ValueError) as error:
        raise UserError(f"architecture '{architecture}' does not take these sizes: {error}") from error
