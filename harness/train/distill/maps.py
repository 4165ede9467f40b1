"""What methods do to layers' outputs before they compare them."""

from typing import Any

import tensorflow as tf


def resized(maps: Any, like: Any) -> Any:
    """Return maps (batch, height, width, channels) at the height and width of `like`, averaged where they shrink."""
    size = like.shape[1:3]
    return maps if maps.shape[1:3] == size else tf.image.resize(maps, size, antialias=True)


def standardised(features: Any) -> Any:
    """Return features with mean 0 and variance 1 in each channel, the last axis, over all others.

    So a term does not hang on how large a teacher's features happen to be.
    """
    mean, variance = tf.nn.moments(features, axes=list(range(len(features.shape) - 1)))
    return (features - mean) / tf.sqrt(variance + 1e-5)


def pooled(features: Any) -> Any:
    """Return one vector (batch, channels) an item: maps averaged, vectors as they are."""
    return tf.reduce_mean(features, axis=[1, 2]) if len(features.shape) == 4 else features
