"""The geometry that convolutions and pooling share: a window that moves over batches x h x w x channels."""

from harness.compiler.kernels.node import Node


def window(node: Node, kernel: tuple[int, int], channels: int) -> dict[str, int]:
    """Check the shapes of input and output and return the fields that place the window.

    Args:
        node: its first input and its output have four dimensions; its options have padding, stride and, where it can
            be other than 1, dilation.
        kernel: height and width of the window.
        channels: of the output.

    Returns:
        batches, in_h, in_w, out_h, out_w, kernel_*, stride_*, dilation_* and pad_*, the padding before the first row
        and column.

    Raises:
        UserError: the output has not the shape that the definition gives.
    """
    source, target = node.input(), node.output
    node.require(len(source.shape) == len(target.shape) == 4, "expected tensors of 4 dimensions")
    batches, in_h, in_w, _ = source.shape
    _, out_h, out_w, _ = target.shape
    node.expect_output_shape((batches, out_h, out_w, channels))
    padding, (stride_h, stride_w) = node.option("padding"), node.option("stride")
    dilation_h, dilation_w = node.operator.options.get("dilation", (1, 1))
    return {
        "batches": batches, "in_h": in_h, "in_w": in_w, "out_h": out_h, "out_w": out_w,
        "kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": stride_h, "stride_w": stride_w,
        "dilation_h": dilation_h, "dilation_w": dilation_w,
        "pad_h": same_padding(node, in_h, out_h, kernel[0], stride_h, dilation_h, padding),
        "pad_w": same_padding(node, in_w, out_w, kernel[1], stride_w, dilation_w, padding),
    }  # fmt: skip


def same_padding(node: Node, size: int, out: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Check an output size and return the padding before the first element.

    Args:
        node: for messages.
        size: input size along the axis.
        out: output size that the file claims.
        kernel: window size.
        stride: step of the window.
        dilation: distance of the window's taps.
        padding: "SAME" or "VALID".

    Returns:
        The smaller half of the total padding, as TensorFlow Lite's ComputePaddingWithOffset.
    """
    node.require(
        1 <= stride <= 1 << 15 and 1 <= dilation <= 1 << 15 and kernel >= 1,
        f"stride {stride}, dilation {dilation} and window {kernel} must be at least 1 (and at most 32768)",
    )
    extent = (kernel - 1) * dilation + 1
    expected = -(-size // stride) if padding == "SAME" else (size + stride - extent) // stride
    node.require(
        expected >= 1 and out == expected,
        f"a window of {extent} with stride {stride} and {padding} padding over {size} gives {expected}, "
        f"the file says {out}",
    )
    return max(0, (out - 1) * stride + extent - size) // 2
