"""Gated recurrent units over the frames (GRU: Cho et al., arXiv:1406.1078): a student for the host, not for boards."""

from collections.abc import Sequence

import keras
from keras import layers


def recurrent(
    shape: tuple[int, ...], classes: int, *, units: Sequence[int] = (56,), dropout: float = 0.0
) -> keras.Model:
    """Return a recurrent network. The default sizes take 0.78 M MACs on 49x40 inputs.

    The steps are written out, not looped: their number is known, so what they cost can be counted in the exported file.
    The first step has no state yet, and no product with it.

    Args:
        shape: of one input: (frames, columns, 1); a frame is a step.
        classes: number of logits.
        units: of each layer of GRUs; their outputs (frames, units) are layers `stage1`, `stage2` ...
        dropout: share of the pooled features that is dropped in training.

    Returns:
        A model from (batch, frames, columns, 1) to logits (batch, classes), made of the last layer's mean over the
        frames.

    Raises:
        ValueError: the inputs are no frames, or there are no units.
    """
    if len(shape) != 3 or shape[2] != 1 or not units:
        raise ValueError(f"expected inputs (frames, columns, 1) and units for a layer at least, got {shape}, {units}")
    inputs = keras.Input(shape)
    x = layers.Reshape(shape[:2])(inputs)
    for number, size in enumerate(units, 1):
        x = layers.GRU(size, return_sequences=True, unroll=True, name=f"stage{number}")(x)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, layers.Dense(classes)(x), name="recurrent")
