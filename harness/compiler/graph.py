"""The model as the compiler sees it: tensors and operators, frozen, in execution order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

ITEM_BYTES = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4}


@dataclass(frozen=True)
class Quantization:
    """Affine quantisation, real = scale * (q - zero_point).

    Attributes:
        scales: float32, one value (per tensor) or one a channel.
        zero_points: int64, as many as scales.
        axis: the dimension that the scales run along; meaningless per tensor.
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        """Tell whether there is a scale for each channel."""
        return self.scales.size > 1

    @property
    def scale(self) -> float:
        """Return the (first) scale, exactly as the float32 in the file."""
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """Return the (first) zero point."""
        return int(self.zero_points[0])

    def same_as(self, other: "Quantization | None") -> bool:
        """Tell whether the same integer means the same real number under both."""
        return (
            other is not None
            and np.array_equal(self.scales, other.scales)
            and np.array_equal(self.zero_points, other.zero_points)
        )


@dataclass(frozen=True)
class Tensor:
    """One tensor; `data` is there when it is a constant of the file.

    `name` is what the file says: never to be used unescaped in code, file names or markup. `channels` says which
    channel (last axis) of the file's tensor each channel is, -1 for one that the file does not have; None where they
    are the file's own.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: NDArray[Any] | None = field(default=None, repr=False)
    channels: tuple[int, ...] | None = None

    @property
    def elements(self) -> int:
        """Return the number of elements (1 for a scalar)."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Return the size in memory."""
        return self.elements * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class Operator:
    """One operator of the file: its TensorFlow Lite name, tensor indices (None where an input is left out), options."""

    index: int
    op: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A model: tensors by index, operators in execution order, and which tensors go in and out."""

    stem: str
    sha256: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def readers(self, tensor: int) -> list[Operator]:
        """Return the operators that read a tensor."""
        return [operator for operator in self.operators if tensor in operator.inputs]

    def writer(self, tensor: int) -> Operator | None:
        """Return the operator that writes a tensor, None for inputs and constants."""
        return next((operator for operator in self.operators if tensor in operator.outputs), None)
