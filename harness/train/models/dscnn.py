"""DS-CNN: one wide convolution, then depthwise-separable blocks (Zhang et al., "Hello Edge", arXiv:1711.07128)."""

import keras
from keras import layers


def dscnn(
    shape: tuple[int, ...], classes: int, *, channels: int = 64, blocks: int = 4, stem: tuple[int, int] = (10, 4)
) -> keras.Model:
    """Return a DS-CNN. The default sizes are MLPerf Tiny's: 2,656,768 MACs on 49x10 inputs and 12 classes.

    Args:
        shape: of one input: (frames, columns, 1).
        classes: number of logits.
        channels: of every layer.
        blocks: depthwise-separable blocks after the stem.
        stem: kernel of the first convolution (frames, columns); its stride is 2.

    Returns:
        A model from (batch, frames, columns, 1) to logits (batch, classes).
    """
    inputs = keras.Input(shape)
    x = _activated(layers.Conv2D(channels, stem, strides=2, padding="same", use_bias=False)(inputs))
    for _ in range(blocks):
        x = _activated(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = _activated(layers.Conv2D(channels, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="dscnn")


def _activated(x: keras.KerasTensor) -> keras.KerasTensor:
    """Batch normalisation (folded into the convolution at export), then ReLU."""
    return layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x))
