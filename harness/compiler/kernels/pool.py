"""AVERAGE_POOL_2D and MAX_POOL_2D: batches x h x w x channels, input and output on one scale."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.compiler.graph import Tensor
from harness.compiler.kernels.node import Node
from harness.compiler.kernels.window import window
from harness.compiler.layer import Layer


@dataclass(frozen=True)
class Pool:
    """A pool that was checked.

    Attributes:
        input: the tensor it reads.
        output: the tensor it writes.
        place: batches, in_h, in_w, out_h, out_w, kernel_*, stride_*, pad_* (window.py).
        channels: of both.
        low: least output.
        high: greatest output.
    """

    input: Tensor
    output: Tensor
    place: Mapping[str, int]
    channels: int
    low: int
    high: int

    @property
    def shape(self) -> dict[str, int]:
        """Return the fields of `pool_shape` in kernels/pool.h."""
        return {**self.place, "channels": self.channels, "output_min": self.low, "output_max": self.high}


def read(node: Node) -> Pool:
    """Check the operator.

    Raises:
        UserError: it is damaged.
    """
    node.counts((1,))
    source, target = node.activation(), node.output
    node.same_quantization()
    node.require(len(source.shape) == 4, "expected a tensor of 4 dimensions")
    channels = source.shape[3]
    place = window(node, node.option("filter"), channels)
    del place["dilation_h"], place["dilation_w"]  # a pool has none
    return Pool(source, target, place, channels, *node.clamp(node.option("activation")))


def lower_average(node: Node) -> Layer:
    """Lower to kernels/average_pool_2d.h."""
    return _lower(node, "average_pool_2d")


def lower_max(node: Node) -> Layer:
    """Lower to kernels/max_pool_2d.h."""
    return _lower(node, "max_pool_2d")


def _lower(node: Node, kernel: str) -> Layer:
    pool = read(node)
    return Layer(
        index=0,
        name=pool.output.name,
        op=node.operator.op,
        kernel=kernel,
        shape=pool.shape,
        inputs=(pool.input.index,),
        outputs=(pool.output.index,),
    )
