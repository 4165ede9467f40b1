"""What the C of a layer takes in flash, roughly: as gcc 12.2 made it for a Cortex-M4."""

from collections.abc import Mapping

from harness.compiler.layer import Layer, ShapeValue

LIBRARY = 470
"""memcpy and memset of newlib-nano, which nearly every model pulls in."""
FAST: Mapping[str, int] = {
    "conv_2d": 450, "depthwise_conv_2d": 500, "fully_connected": 520, "add": 165, "average_pool_2d": 125,
    "softmax": 356, "depthwise_conv_2d_armv7em": 80, "fully_connected_armv7em": 25, "rolled_armv7em": 420,
}  # fmt: skip
"""Bytes of an instance with its shape folded in, -O2."""
SMALL: Mapping[str, int] = {
    "conv_2d": 1316, "depthwise_conv_2d": 1730, "fully_connected": 1080, "add": 390, "average_pool_2d": 302,
    "softmax": 376,
}  # fmt: skip
"""Bytes of the one function for all shapes, -Os."""
OTHER = 200
CALL = 62
"""Bytes of a layer that passes its shape to a shared function, the shape itself aside."""
STACK: Mapping[str, int] = {
    "conv_2d_armv7em": 116, "depthwise_conv_2d_armv7em": 108, "fully_connected_armv7em": 52, "rolled_armv7em": 152,
}  # fmt: skip
"""Bytes of stack below invoke's caller."""
STACK_OF_C = {False: 120, True: 212}
"""The same for a portable kernel, -O2 and (shared) -Os."""


def stack(layer: Layer, *, shared: bool) -> int:
    """Return about how deep a layer's calls go, in bytes."""
    return STACK.get(layer.kernel, STACK_OF_C[shared] if layer.macs else 48)


def instance(layer: Layer, *, shared: bool) -> int:
    """Return the bytes of the C function that a layer calls; where routines are told its shape, that too."""
    if layer.kernel == "conv_2d_armv7em":
        code = 270 if layer.shape["strip_rows"] else 55
    else:
        code = (SMALL if shared else FAST).get(layer.kernel, OTHER)
    return code + (_shape(layer.shape) if layer.routines and not shared and _told(layer) else 0)


def call(layer: Layer) -> int:
    """Return the bytes of a layer that calls a shared function."""
    return CALL + _shape(layer.shape)


def _told(layer: Layer) -> bool:
    """Tell whether a part of the shape stays in flash because a routine reads it."""
    return layer.kernel != "depthwise_conv_2d_armv7em"


def _shape(shape: Mapping[str, ShapeValue]) -> int:
    """Return the size of a shape structure: four bytes a number."""
    return sum(_shape(value) if isinstance(value, Mapping) else 4 for value in shape.values())
