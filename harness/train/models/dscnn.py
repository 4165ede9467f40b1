"""DS-CNN: one wide convolution, then depthwise-separable blocks (Zhang et al., "Hello Edge", arXiv:1711.07128)."""

import keras
from keras import layers

from harness.train.models.layers import convolved, depthwise


def dscnn(
    shape: tuple[int, ...], classes: int, *, channels: int = 64, blocks: int = 4, stem: tuple[int, int] = (10, 4)
) -> keras.Model:
    """Return a DS-CNN. The default sizes are MLPerf Tiny's: 2,656,768 MACs on 49x10 inputs and 12 classes.

    Args:
        shape: of one input: (frames, columns, 1).
        classes: number of logits.
        channels: of every layer.
        blocks: depthwise-separable blocks after the stem; their outputs are layers `block1`, `block2` ...
        stem: kernel of the first convolution (frames, columns); its stride is 2.

    Returns:
        A model from (batch, frames, columns, 1) to logits (batch, classes).
    """
    inputs = keras.Input(shape)
    x = convolved(inputs, channels, stem, 2)
    for number in range(1, blocks + 1):
        x = convolved(depthwise(x, 3), channels, 1, name=f"block{number}")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="dscnn")
