"""A residual network of plain 3x3 convolutions (He et al., arXiv:1512.03385): teachers, and MLPerf Tiny's ResNet8."""

from collections.abc import Sequence

import keras
from keras import layers

from harness.train.models.layers import convolved


def resnet(
    shape: tuple[int, ...],
    classes: int,
    *,
    stem: int = 24,
    stem_kernel: int = 5,
    stem_stride: int = 2,
    stages: Sequence[tuple[int, int]] = ((32, 1), (64, 2), (128, 2)),
    strides: Sequence[int] = (),
    dropout: float = 0.2,
) -> keras.Model:
    """Return a residual network. MLPerf Tiny's ResNet8 has 12.5 M MACs and 77.4 k weights on 32x32 pictures.

    Its sizes: stem 16, stem_kernel 3, stem_stride 1, stages [[16, 1], [32, 1], [64, 1]], strides [1, 2, 2], dropout 0.

    Args:
        shape: of one input: (height, width, colours).
        classes: number of logits.
        stem: channels of the first convolution.
        stem_kernel: its size.
        stem_stride: its stride.
        stages: (channels, blocks) of each stage; the outputs are layers `stage1`, `stage2` ...
        strides: of the first block of each stage, 2 for each where none are given.
        dropout: share of the pooled features that is dropped in training.

    Returns:
        A model from (batch, *shape) to logits (batch, classes).

    Raises:
        ValueError: `strides` is not as long as `stages`.
    """
    inputs = keras.Input(shape)
    x = convolved(inputs, stem, stem_kernel, stem_stride)
    each = strides or (2,) * len(stages)
    for number, ((channels, blocks), stride) in enumerate(zip(stages, each, strict=True), 1):
        for block in range(blocks):
            last = f"stage{number}" if block == blocks - 1 else None
            x = _block(x, channels, stride if block == 0 else 1, last)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(classes)(x), name="resnet")


def _block(x: keras.KerasTensor, channels: int, stride: int, name: str | None) -> keras.KerasTensor:
    """Two convolutions beside a shortcut; a smaller shortcut is averaged, not thinned."""
    y = convolved(convolved(x, channels, 3, stride), channels, 3, activated=False)
    if stride != 1:
        x = layers.AveragePooling2D(stride, padding="same")(x)
    if x.shape[-1] != channels:
        x = convolved(x, channels, 1, activated=False)
    return layers.ReLU(name=name)(layers.Add()([x, y]))
