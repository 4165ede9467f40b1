"""What all architectures are made of: a convolution, batch normalisation, ReLU."""

from operator import index
from typing import Any

import keras
from keras import layers

from harness.train.models.quick import QuickDepthwise, QuickNormalization

#: How slowly batch normalisation's moving statistics follow: 0.98 forgets a batch after some 50.
MOMENTUM = 0.98

Size = int | tuple[int, int]
"""Height and width, or one number for both; recipes write pairs as lists."""


def convolved(
    x: keras.KerasTensor,
    channels: int,
    kernel: Size,
    stride: Size = 1,
    *,
    activated: bool = True,
    name: str | None = None,
) -> keras.KerasTensor:
    """Convolution without bias, batch normalisation (folded into it at export), and a ReLU called `name`."""
    size = pair(kernel)
    x = layers.Conv2D(channels, size, strides=pair(stride), padding="same", use_bias=False)(x)
    return _normalised(x, activated, name)


def depthwise(x: keras.KerasTensor, kernel: Size, stride: int = 1) -> keras.KerasTensor:
    """Depthwise convolution without bias, batch normalisation and ReLU."""
    x = QuickDepthwise(pair(kernel), strides=stride, padding="same", use_bias=False)(x)
    return _normalised(x, activated=True, name=None)


def pair(size: Any) -> tuple[int, int]:
    """Return (height, width).

    Raises:
        ValueError: there are not two.
        TypeError: they are no whole numbers.
    """
    height, width = (size, size) if isinstance(size, int) else map(index, size)
    return height, width


def _normalised(x: keras.KerasTensor, activated: bool, name: str | None) -> keras.KerasTensor:
    x = QuickNormalization(momentum=MOMENTUM)(x)
    return layers.ReLU(name=name)(x) if activated else x
