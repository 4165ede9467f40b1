"""Multiply-accumulates of a .tflite, int8 or float, over all output positions, padding counted."""

import numpy as np
from numpy.typing import NDArray

Shape = NDArray[np.int32]


def macs_of(op: str, inputs: list[Shape], output: Shape) -> int:
    """Return the multiply-accumulates of one operator; 0 where it multiplies no weights or matrices.

    Args:
        op: its name, such as CONV_2D.
        inputs: shapes, in the operator's order.
        output: shape of the first output.
    """
    if op in ("CONV_2D", "FULLY_CONNECTED"):
        return int(np.prod(output) * np.prod(inputs[1][1:]))
    if op == "DEPTHWISE_CONV_2D":
        return int(np.prod(output) * np.prod(inputs[1][1:3]))
    if op == "BATCH_MATMUL":  # (..., m, k) x (..., k, n), either of them transposed or not
        rows, columns = inputs[0][-2:]
        return int(np.prod(output) * (rows * columns // output[-2]))
    return 0
