"""Ordinary convolutions where channels are few, separable ones where they are many: most accuracy a MAC on pictures."""

import keras
from keras import layers

from harness.train.models.layers import convolved, depthwise


def hybrid(
    shape: tuple[int, ...],
    classes: int,
    *,
    stem: int = 16,
    dense: tuple[int, int] = (48, 2),
    squeeze: int = 24,
    separable: tuple[int, int] = (92, 4),
) -> keras.Model:
    """Return a network of three stages. The default sizes take 11.2 M MACs on 32x32 inputs of three colours.

    Args:
        shape: of one input: (height, width, colours).
        classes: number of logits.
        stem: channels of the first stage, at full size: an ordinary and a separable convolution.
        dense: (channels, blocks) of the second stage, at half the size: 3x3 down to `squeeze` channels and 1x1 back,
            beside a shortcut.
        squeeze: channels within those blocks; 0: they are separable, as the third stage's, and only the convolution
            that leads to them is an ordinary one.
        separable: (channels, blocks) of the third stage, at a quarter of the size: separable, beside a shortcut.

    Returns:
        A model from (batch, *shape) to logits (batch, classes); the stages' outputs are layers `stage1`, `stage2`,
        `stage3`.
    """
    (wide, dense_blocks), (widest, separable_blocks) = dense, separable
    inputs = keras.Input(shape)
    x = convolved(inputs, stem, 3)
    x = convolved(depthwise(x, 3), stem, 1, name="stage1")
    x = convolved(x, wide, 3, 2, name=None if dense_blocks else "stage2")
    for block in range(1, dense_blocks + 1):
        y = convolved(x, squeeze, 3) if squeeze else depthwise(x, 3)
        y = convolved(y, wide, 1, activated=False)
        x = layers.ReLU(name="stage2" if block == dense_blocks else None)(layers.Add()([x, y]))
    x = convolved(depthwise(x, 3, 2), widest, 1, name=None if separable_blocks else "stage3")
    for block in range(1, separable_blocks + 1):
        y = convolved(depthwise(x, 3), widest, 1, activated=False)
        x = layers.ReLU(name="stage3" if block == separable_blocks else None)(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="hybrid")
