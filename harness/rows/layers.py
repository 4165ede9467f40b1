"""Match the layers of two rows, and say which of them moved a figure."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from harness.rows.measurement import Layer

# What a layer's own column says of a row's.
_OF_A_ROW = {
    "instructions": "instructions",
    "cycles": "cycles",
    "latency_ms": "cycles",
    "latency_low_ms": "cycles",
    "latency_high_ms": "cycles",
    "energy_uj": "cycles",
    "macs": "macs",
}
# From the surest likeness to the loosest: a layer put in before others moves their index, a converter renames them.
_ALIKE: tuple[Callable[[Layer], Hashable], ...] = (
    lambda layer: (layer.index, layer.name, layer.op),
    lambda layer: (layer.name, layer.op),
    lambda layer: (layer.index, layer.op),
)


@dataclass(frozen=True)
class LayerPair:
    """A layer in both rows; None on the side that has no such layer."""

    old: Layer | None
    new: Layer | None

    @property
    def layer(self) -> Layer:
        """The layer, as it is now where it is still there."""
        found = self.new or self.old
        assert found is not None
        return found

    def values(self, column: str) -> tuple[int | None, int | None]:
        """Return (old, new) of a layer's column; None where the layer is not there or the value is unknown."""
        return tuple(None if side is None else getattr(side, column) for side in (self.old, self.new))  # type: ignore[return-value]

    def moved(self, column: str) -> int:
        """Return NEW - OLD of a layer's column; a missing layer takes nothing, an unknown value moved by 0."""
        old, new = self.values(column)
        known = (self.old is None or old is not None) and (self.new is None or new is not None)
        return (new or 0) - (old or 0) if known else 0


def match_layers(old: Sequence[Layer], new: Sequence[Layer]) -> tuple[LayerPair, ...]:
    """Pair the layers by index, name and operator, those left by name and operator, then by index and operator.

    Returns:
        Every layer once: those of `new` in their order, then those that only `old` has.
    """
    partner: dict[int, int] = {}
    for alike in _ALIKE:
        waiting: dict[Hashable, list[int]] = {}
        for i in sorted(set(range(len(old))) - set(partner.values())):
            waiting.setdefault(alike(old[i]), []).append(i)
        for j, layer in enumerate(new):
            same = waiting.get(alike(layer))
            if j not in partner and same:
                partner[j] = same.pop(0)
    kept = [LayerPair(old[partner[j]] if j in partner else None, layer) for j, layer in enumerate(new)]
    gone = [LayerPair(layer, None) for i, layer in enumerate(old) if i not in set(partner.values())]
    return (*kept, *gone)


def most_moved(pairs: Iterable[LayerPair], column: str, count: int) -> tuple[LayerPair, ...]:
    """Return the `count` layers whose `column` changed most, the largest change first."""
    moved = [pair for pair in pairs if pair.moved(column)]
    return tuple(sorted(moved, key=lambda pair: -abs(pair.moved(column)))[:count])


def culprit(pairs: Iterable[LayerPair], column: str, amount: float) -> tuple[LayerPair, str] | None:
    """Return the layer that did most for a change of a row's column, and the layer's column that shows it.

    Args:
        pairs: the row's layers.
        column: of the row.
        amount: the row's change; only layers that moved the same way count.
    """
    own = _OF_A_ROW.get(column)
    if own is None:
        return None
    same_way = [pair for pair in pairs if pair.moved(own) * amount > 0]
    return (max(same_way, key=lambda pair: abs(pair.moved(own))), own) if same_way else None
