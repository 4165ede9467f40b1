"""Which channels of each tensor must be in memory, and how those are laid out.

A channel must be in memory where somebody needs it: a graph output, an operator of which nothing is assumed, or a
weight other than zero of an output channel that is itself needed and not constant. Constant channels are not needed by
weights either, since what they add goes into the bias; except that a bias cannot tell a window at the border, where
the padding adds nothing, from one inside: there only a constant at the zero point vanishes. Operators that work
channel by channel have a channel in all their tensors or in none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.compiler.graph import Graph
from harness.compiler.kernels.node import Node
from harness.compiler.passes.channelwise import Int64s, columns, sources, width
from harness.compiler.passes.ranges import Range, taps_inside

Bools = NDArray[np.bool_]

PADDING = -1
"""In a layout: a channel that the file does not have."""
MIXING = ("CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Tie:
    """Two tensors of an operator that works channel by channel.

    Attributes:
        source: the tensor it reads.
        target: the tensor it writes.
        channels: (channels of target,) which channel of the source each is made of.
    """

    source: int
    target: int
    channels: Int64s

    @property
    def one_to_one(self) -> bool:
        """Tell whether both have the same channels in the same order."""
        return np.array_equal(self.channels, np.arange(len(self.channels)))


@dataclass(frozen=True)
class Product:
    """A layer with weights between all its input channels and all its output channels.

    Attributes:
        source: the tensor it reads.
        target: the tensor it writes.
        reads: (output channels, input channels), where a weight is not zero.
        fixed: (output channels,) those that are constant, and read nothing.
        folded: (input channels,) those that are constant and can go into the bias.
        flattens: it reads several positions as one row.
    """

    source: int
    target: int
    reads: Bools
    fixed: Bools
    folded: Bools
    flattens: bool

    def needed(self, stored: Bools) -> Bools:
        """Return which input channels are needed where some output channels are stored."""
        needed: Bools = self.reads[stored & ~self.fixed].any(axis=0) & ~self.folded
        return needed


@dataclass(frozen=True)
class Structure:
    """Who needs which channels of whom; tensors by their index.

    Attributes:
        constant: computed tensor -> which of its channels are constant, (channels,).
        whole: tensors that must stay as they are.
        rigid: tensors that cannot get channels which the file does not have, those in `whole` among them.
        ties: of all operators that work channel by channel, in the order of execution.
        products: in the order of execution.
    """

    constant: Mapping[int, Bools]
    whole: frozenset[int]
    rigid: frozenset[int]
    ties: tuple[Tie, ...]
    products: tuple[Product, ...]


def structure(graph: Graph, ranges: Mapping[int, Range]) -> Structure:
    """Describe a graph whose operators can all be lowered; `ranges` as from `channel_ranges`."""
    whole, ties, products = {*graph.inputs, *graph.outputs}, list[Tie](), list[Product]()
    for operator in graph.operators:
        node = Node(graph, operator)
        channels, product = sources(node), _product(node, ranges)
        if channels is not None:
            ties += [Tie(source, node.output.index, of) for source, of in channels.items()]
        elif product is not None:
            products.append(product)
        else:
            whole |= {*operator.outputs, *(index for index in operator.inputs if index is not None)}
    vectors = {index for index in ranges if len(graph.tensors[index].shape) < 2}
    rigid = _spread(whole | vectors | {product.source for product in products if product.flattens}, ties)
    constant = {index: each.constant for index, each in ranges.items()}
    return Structure(constant, frozenset(whole), rigid, tuple(ties), tuple(products))


def _product(node: Node, ranges: Mapping[int, Range]) -> Product | None:
    if node.operator.op not in MIXING:
        return None
    of, inside = columns(node), taps_inside(node)
    if of is None or inside is None:
        return None
    source, weights = node.input(), node.constant(1, "int8")
    reads = (weights.reshape(len(weights), -1, width(source)) != 0).any(axis=1)
    padded = not all(patterns.all() for patterns in inside)
    value = ranges[source.index]
    folded = value.constant & ((value.low == node.int8(source).zero_point) | (not padded))
    fixed = ranges[node.output.index].constant
    return Product(source.index, node.output.index, reads, fixed, folded, flattens=len(of) > width(source))


def _spread(rigid: set[int], ties: Sequence[Tie]) -> frozenset[int]:
    """Add all that is tied to a rigid tensor, or not one to one."""
    rigid = rigid | {index for tie in ties if not tie.one_to_one for index in (tie.source, tie.target)}
    while reached := {i for tie in ties for i in (tie.source, tie.target) if {tie.source, tie.target} & rigid} - rigid:
        rigid |= reached
    return frozenset(rigid)


def stored_channels(parts: Structure, multiple: int) -> Mapping[int, Bools]:
    """Return, for each computed tensor, which channels must be in memory; of each tensor at least one.

    Args:
        parts: of the graph.
        multiple: how many channels are wanted a multiple of: rigid tensors keep dead channels to get there.
    """
    stored = {index: np.full(len(constant), index in parts.whole) for index, constant in parts.constant.items()}
    while True:
        _settle(parts, stored)
        few = [i for i, channels in stored.items() if _lacks(channels, multiple if i in parts.rigid else 1)]
        if not few:
            return stored
        # The last one first, since what it needs may help the others; a constant channel needs nothing itself.
        spare = np.flatnonzero(~stored[few[-1]])
        stored[few[-1]][spare[np.argmax(parts.constant[few[-1]][spare])]] = True


def _lacks(stored: Bools, multiple: int) -> bool:
    count = int(stored.sum())
    return count < len(stored) and (count == 0 or count % multiple > 0)


def _settle(parts: Structure, stored: Mapping[int, Bools]) -> None:
    """Store whatever is needed by what is stored."""
    count = -1
    while count != (count := sum(int(channels.sum()) for channels in stored.values())):
        for product in reversed(parts.products):
            stored[product.source][product.needed(stored[product.target])] = True
        for tie in (*reversed(parts.ties), *parts.ties):
            stored[tie.source][tie.channels[stored[tie.target]]] = True
            stored[tie.target][stored[tie.source][tie.channels]] = True


def layouts(parts: Structure, stored: Mapping[int, Bools], multiple: int) -> Mapping[int, tuple[int, ...]]:
    """Return for each tensor which channel of the file each of its channels is, `PADDING` where it is none."""
    return {
        index: _layout(np.flatnonzero(channels).tolist(), 1 if index in parts.rigid else multiple)
        for index, channels in stored.items()
    }


def _layout(channels: list[int], multiple: int) -> tuple[int, ...]:
    return (*channels, *[PADDING] * (-len(channels) % multiple))
