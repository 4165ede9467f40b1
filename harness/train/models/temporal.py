"""Separable convolutions along time alone, mel bins as channels (after TC-ResNet, Choi et al., arXiv:1904.03814).

Few MACs for many weights: each weight is used once a frame.
"""

from collections.abc import Sequence

import keras
from keras import layers

from harness.train.models.layers import convolved, depthwise


def temporal(
    shape: tuple[int, ...],
    classes: int,
    *,
    stem: int = 30,
    stem_kernel: int = 3,
    kernel: int = 9,
    stages: Sequence[tuple[int, int]] = ((40, 2), (56, 1), (64, 3)),
    strides: Sequence[int] = (2, 2, 1),
) -> keras.Model:
    """Return a temporal network. The default sizes take 0.25 M MACs on 49x40 inputs.

    Args:
        shape: of one input: (frames, bins, 1).
        classes: number of logits.
        stem: channels of the first convolution over all bins; its stride is 2.
        stem_kernel: its frames.
        kernel: frames of the depthwise convolutions.
        stages: (channels, blocks); their outputs are layers `stage1`, `stage2` ...
        strides: of the first block of each stage.

    Returns:
        A model from (batch, frames, bins, 1) to logits (batch, classes).

    Raises:
        ValueError: `strides` is not as long as `stages`.
    """
    inputs = keras.Input(shape)
    x = layers.Reshape((shape[0], 1, shape[1]))(inputs)
    x = convolved(x, stem, (stem_kernel, 1), 2)
    for number, ((channels, blocks), stride) in enumerate(zip(stages, strides, strict=True), 1):
        for block in range(blocks):
            last = f"stage{number}" if block == blocks - 1 else None
            x = _block(x, channels, kernel, stride if block == 0 else 1, last)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="temporal")


def _block(x: keras.KerasTensor, channels: int, kernel: int, stride: int, name: str | None) -> keras.KerasTensor:
    """Depthwise over time, pointwise, and the input added where the shapes allow it."""
    y = convolved(depthwise(x, (kernel, 1), stride), channels, 1, activated=False)
    if stride == 1 and x.shape[-1] == channels:
        y = layers.Add()([x, y])
    return layers.ReLU(name=name)(y)
