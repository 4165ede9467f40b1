"""What an operator becomes: one call of one C kernel, with everything known before flashing already computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compiler.routine import Cost, Routine

ShapeValue = int | float | str | tuple[int, ...] | Mapping[str, Any]


@dataclass(frozen=True)
class Constant:
    """An array for section `.rodata.weights`: `ctype` is int8_t, int32_t ...; `role` says what it is in a comment."""

    role: str
    ctype: str
    values: NDArray[Any] = field(repr=False)

    @property
    def bytes(self) -> int:
        """Return the size in flash."""
        return int(self.values.nbytes)


@dataclass(frozen=True)
class Layer:
    """One call of a kernel.

    In C it is `kernel(&shape, inputs..., constants..., scratch, outputs...)`; `kernels/<kernel>.h` defines the function
    and the structure `<kernel>_shape`.

    Attributes:
        index: position in the program.
        name: the name of the tensor it writes (from the file: escape it).
        op: the TensorFlow Lite operator it comes from.
        kernel: the C function, and the header that holds it.
        shape: the fields of the kernel's shape structure.
        inputs: tensor indices.
        outputs: tensor indices.
        constants: weights, biases and tables.
        scratch_bytes: working memory it needs while it runs; None where the kernel takes none.
        macs: multiply-accumulates, padding counted; in a program those of the file's layer.
        macs_executed: in a program those that are left where dead channels are gone and padding channels there.
        overlaps: input tensor -> distance in bytes, >= 0. Where that input dies with this layer, the (first) output may
            share memory with it, provided offset(output) + distance <= offset(input): 0 is plain in-place. The sizes
            may differ: a 1x1 convolution of 8 to 16 channels over P pixels has distance P * 8, its input lies at the
            end of the output's memory and is eaten as the output grows.
        in_place: inputs that the output may overwrite at exactly the same offset, and no other; where they die here.
        routines: assembly that the kernel calls; its shape names them.
        transformed: whether its weights are stored wider than int8, or transformed: faster, for more flash.
        note: why this kernel.
        estimate: what one inference spends in it; None where nobody knows.
    """

    index: int
    name: str
    op: str
    kernel: str
    shape: Mapping[str, ShapeValue]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[Constant, ...] = ()
    scratch_bytes: int | None = None
    macs: int = 0
    macs_executed: int = 0
    overlaps: Mapping[int, int] = field(default_factory=dict)
    in_place: tuple[int, ...] = ()
    routines: tuple[Routine, ...] = ()
    transformed: bool = False
    note: str = ""
    estimate: Cost | None = None


def int8_constant(role: str, values: NDArray[Any]) -> Constant:
    """Make a constant of bytes."""
    return Constant(role, "int8_t", np.ascontiguousarray(values, dtype=np.int8))


def int32_constant(role: str, values: NDArray[Any] | list[int]) -> Constant:
    """Make a constant of 32-bit words."""
    return Constant(role, "int32_t", np.ascontiguousarray(values, dtype=np.int32))
