"""PAD of an int8 tensor with its zero point."""

from harness.compiler.kernels.node import Node
from harness.compiler.layer import Layer

MAX_AXES = 5


def lower(node: Node) -> Layer:
    """Lower to kernels/pad.h."""
    node.counts((2,))
    source, target = node.activation(), node.output
    rank = len(source.shape)
    node.require(rank <= MAX_AXES, f"expected at most {MAX_AXES} dimensions, got {rank}")
    dtype = node.input(1).dtype
    paddings = node.constant(1, dtype if dtype == "int64" else "int32")
    node.require(paddings.shape == (rank, 2), f"the paddings have shape {list(paddings.shape)}; expected [{rank}, 2]")
    before, after = ([int(value) for value in paddings[:, side]] for side in (0, 1))
    node.require(min(before + after, default=0) >= 0, "a padding is negative")
    node.expect_output_shape(tuple(b + size + a for b, size, a in zip(before, source.shape, after, strict=True)))
    node.same_quantization()
    ones, zeros = (1,) * (MAX_AXES - rank), (0,) * (MAX_AXES - rank)
    return Layer(
        index=0,
        name=target.name,
        op="PAD",
        kernel="pad",
        shape={
            "in": ones + source.shape, "before": zeros + tuple(before), "out": ones + target.shape,
            "value": node.int8(target).zero_point,
        },
        inputs=(source.index,),
        outputs=(target.index,),
    )  # fmt: skip
