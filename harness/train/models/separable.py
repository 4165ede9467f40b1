"""A residual pyramid of depthwise-separable convolutions: fewer MACs for the same accuracy than DS-CNN's even width."""

from collections.abc import Sequence

import keras
from keras import layers

from harness.train.models.layers import Size, convolved, depthwise


def separable(
    shape: tuple[int, ...],
    classes: int,
    *,
    stem: int = 32,
    stem_kernel: Size = (5, 8),
    stem_stride: Size = (2, 4),
    kernel: Size = (5, 3),
    stages: Sequence[tuple[int, int]] = ((32, 2), (64, 4)),
) -> keras.Model:
    """Return a separable pyramid. The default sizes take 2.2 M MACs on 49x40 inputs.

    Args:
        shape: of one input: (frames, bins, 1) or (height, width, colours).
        classes: number of logits.
        stem: channels of the first, ordinary convolution.
        stem_kernel: its size.
        stem_stride: its stride.
        kernel: of all depthwise convolutions.
        stages: (channels, blocks); every stage but the first halves height and width with its first block. Their
            outputs are layers `stage1`, `stage2` ...

    Returns:
        A model from (batch, *shape) to logits (batch, classes).
    """
    inputs = keras.Input(shape)
    x = convolved(inputs, stem, stem_kernel, stem_stride)
    for number, (channels, blocks) in enumerate(stages, 1):
        for block in range(blocks):
            last = f"stage{number}" if block == blocks - 1 else None
            x = _block(x, channels, kernel, 2 if block == 0 and number > 1 else 1, last)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="separable")


def _block(x: keras.KerasTensor, channels: int, kernel: Size, stride: int, name: str | None) -> keras.KerasTensor:
    """Depthwise, pointwise, and the input added where the shapes allow it."""
    y = convolved(depthwise(x, kernel, stride), channels, 1, activated=False)
    if stride == 1 and x.shape[-1] == channels:
        y = layers.Add()([x, y])
    return layers.ReLU(name=name)(y)
