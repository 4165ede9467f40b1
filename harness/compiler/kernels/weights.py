"""What convolution, depthwise convolution and fully connected layers do alike to weights, bias and multipliers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.compiler.graph import Quantization, Tensor
from harness.compiler.kernels.node import Node
from harness.compiler.layer import Constant, int8_constant, int32_constant


def weight_quantization(node: Node, weights: Tensor, channels: int, axis: int) -> Quantization:
    """Require symmetric weights, per tensor or per output channel along `axis`."""
    q = weights.quantization
    if q is None:
        node.fail("the weights have no scale")
    node.require(not np.any(q.zero_points), "the weights have a zero point; expected symmetric weights (zero point 0)")
    node.require(
        bool(np.all(np.isfinite(q.scales) & (q.scales >= 0))), "the weights have a scale that is not a number >= 0"
    )
    if q.per_channel:
        node.require(
            q.scales.size == channels and q.axis == axis,
            f"the weights have {q.scales.size} scales along axis {q.axis}; expected 1, or {channels} along axis {axis}",
        )
    return q


def folded_bias(node: Node, position: int, sums: NDArray[np.int64], input_zero_point: int) -> NDArray[np.int32]:
    """Return bias[c] - zero_point * sum of the weights of c, modulo 2**32.

    sum w * (x - z) + b equals sum w * x + (b - z * sum w): the offset then costs nothing at run time, and the kernels
    present padding as x = z.

    Args:
        node: the layer.
        position: which input the (optional) bias is; int32, one value a channel.
        sums: the sum of each channel's weights.
        input_zero_point: z.
    """
    bias = np.zeros(sums.size, dtype=np.int64)
    if node.optional(position) is not None:
        values = node.constant(position, "int32")
        node.require(values.shape == (sums.size,), f"the bias has shape {list(values.shape)}; expected [{sums.size}]")
        bias = values.astype(np.int64)
    return (bias - input_zero_point * sums).astype(np.int64).astype(np.uint32).astype(np.int32)


def requantize_constants(pairs: list[tuple[int, int]]) -> tuple[Constant, Constant]:
    """Return the multipliers and shifts as constants, one or one a channel."""
    multipliers, shifts = zip(*pairs, strict=True)
    return int32_constant("multipliers", list(multipliers)), int8_constant("shifts", np.array(shifts))


def requantize_shape(node: Node, pairs: list[tuple[int, int]]) -> dict[str, int]:
    """Return the fields of `requantize_shape` in kernels/requantize.h, the fused activation's clamp among them."""
    low, high = node.clamp(node.option("activation"))
    return {
        "per_channel": int(len(pairs) > 1),
        "all_down": int(all(shift < 0 for _, shift in pairs)),
        "output_zero_point": node.int8(node.output).zero_point,
        "output_min": low,
        "output_max": high,
    }


def channel_multipliers(node: Node, weights: Quantization) -> list[tuple[int, int]]:
    """Return (multiplier, shift) of each weight scale: input scale * weight scale / output scale, in double."""
    source, target = node.int8(node.input()).scale, node.int8(node.output).scale
    return [node.multiplier(source * float(scale) / target) for scale in weights.scales]


def interleave(matrix: NDArray[Any]) -> NDArray[np.int8]:
    """Order weights as kernels/product.h reads them.

    Args:
        matrix: channels x depth.

    Returns:
        Flat: for each four channels, depth groups of four; then the remaining channels one after another.
    """
    channels, depth = matrix.shape
    whole = channels - channels % 4
    blocks = matrix[:whole].reshape(whole // 4, 4, depth).transpose(0, 2, 1)
    return np.concatenate([blocks.ravel(), matrix[whole:].ravel()]).astype(np.int8)
