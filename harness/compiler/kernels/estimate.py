"""What the portable kernels cost on a Cortex-M4, roughly: fitted to measurements (gcc 12.2, QEMU's instruction clock).

Products dominate; beside them every output is requantised, and a convolution copies its window tap by tap. `small` is
what the compiler makes with -Os, without unrolling, one function for all shapes.
"""

from dataclasses import dataclass
from math import prod

from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer
from harness.compiler.routine import Cost


@dataclass(frozen=True)
class Rate:
    """Instructions a product, an output, an input element and a tap of a window; cycles an instruction."""

    product: float = 0
    output: float = 0
    input: float = 0
    tap: float = 0
    cycles: float = 1.31


FAST = {
    "CONV_2D": Rate(product=2.72, output=19, tap=35),
    "DEPTHWISE_CONV_2D": Rate(product=5.5, output=9),
    "FULLY_CONNECTED": Rate(product=2.72, output=11),
    "ADD": Rate(output=35.5, cycles=1.06),
    "AVERAGE_POOL_2D": Rate(output=30, input=5.5),
    "MAX_POOL_2D": Rate(output=30, input=6),
    "MEAN": Rate(output=30, input=7),
    "SOFTMAX": Rate(output=37),
    "LOGISTIC": Rate(output=4),
    "RELU": Rate(output=4),
    "RELU6": Rate(output=4),
    "QUANTIZE": Rate(output=40),
    "DEQUANTIZE": Rate(output=25),
    "PAD": Rate(output=3),
}
SMALL = {
    "CONV_2D": Rate(product=4.5, output=34, tap=57, cycles=1.33),
    "DEPTHWISE_CONV_2D": Rate(product=22, output=15, cycles=1.56),
    "FULLY_CONNECTED": Rate(product=4.15, output=20, cycles=1.37),
    "ADD": Rate(output=65, cycles=1.3),
    "AVERAGE_POOL_2D": Rate(output=60, input=11.5, cycles=1.41),
    "SOFTMAX": Rate(output=66, cycles=1.22),
}
CALL = 40


def portable(node: Node, layer: Layer, *, small: bool) -> Cost:
    """Return what a portable layer costs, within some percent for products, within half for the rest."""
    rate = (SMALL if small else FAST).get(layer.op) or FAST.get(layer.op, Rate(output=10))
    outputs, inputs = node.output.elements, node.input().elements
    if layer.op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):  # windows may overlap
        height, width = node.option("filter")
        inputs = outputs * height * width
    taps = 0
    if layer.op == "CONV_2D" and not layer.shape["pointwise"]:
        height, width = node.input(1).shape[1:3]
        taps = prod(node.output.shape[:3]) * height * width
    count = rate.product * layer.macs + rate.output * outputs + rate.input * inputs + rate.tap * taps + CALL
    return Cost(count, count * rate.cycles)
