"""One file an operator (or a family of them): checks it, computes its constants, names its C kernel.

To add an operator: a file here with a function from `Node` to `Layer`, a header of the same name in
firmware/lib/kernels, a line in `LOWERINGS`.
"""

from collections.abc import Callable

from harness.compiler.kernels import (
    add,
    border,
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    lookup,
    mean,
    pad,
    pool,
    softmax,
)
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

LOWERINGS: dict[str, Callable[[Node], Layer]] = {
    "ADD": add.lower,
    "AVERAGE_POOL_2D": pool.lower_average,
    "CONV_2D": conv_2d.lower,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d.lower,
    "DEQUANTIZE": border.lower_dequantize,
    "FULLY_CONNECTED": fully_connected.lower,
    "LOGISTIC": lookup.lower_logistic,
    "MAX_POOL_2D": pool.lower_max,
    "MEAN": mean.lower,
    "PAD": pad.lower,
    "QUANTIZE": border.lower_quantize,
    "RELU": lookup.lower_relu,
    "RELU6": lookup.lower_relu6,
    "SOFTMAX": softmax.lower,
}
# RESHAPE never becomes a call: passes/drop_reshapes.py gives its output the memory of its input.
SUPPORTED = tuple(sorted([*LOWERINGS, "RESHAPE"]))


def lower(node: Node) -> Layer:
    """Lower one operator.

    Raises:
        UserError: names the layer, the operator, and what is supported.
    """
    op = node.operator.op
    if op not in LOWERINGS:
        node.fail(f"operator {op} is not supported; supported: {', '.join(SUPPORTED)}")
    return LOWERINGS[op](node)
