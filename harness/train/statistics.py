"""Statistics of batch normalisation, taken anew instead of kept as moving averages.

Of an average of weights, averages of their statistics are not the statistics (Izmailov et al., arXiv:1803.05407,
section 3.2, who take them anew over the training set). And over items as they are, of the kind that the model will see,
they bridge what sets those apart from augmented views (Li et al., "Revisiting Batch Normalization for Practical Domain
Adaptation", arXiv:1603.04779).
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from harness.train.examples import Floats

ITEMS = 16_384
"""Enough: the mean of a channel over so many is within 1 % of its deviation, were all pixels of each alike."""

_BATCH = 512


def renewer(model: keras.Model) -> Callable[[Floats], None]:
    """Return the function that gives `model` the statistics of inputs (n, *shape), by the weights it has then.

    Layers are taken together, each over what the ones before it give when they normalise by the batch, as in training.
    Means and variances are averaged over batches of 512 inputs, drawn without replacement, at most 16,384 in all; what
    is left over of the last batch is not used.
    """
    normalising = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    moving = [each for layer in normalising for each in (layer.moving_mean, layer.moving_variance)]
    run = tf.function(lambda inputs: model(inputs, training=True), jit_compile=False)

    def renew(inputs: Floats) -> None:
        order = np.random.default_rng(0).permutation(len(inputs))[:ITEMS]  # they may lie in order of class
        batches = max(1, len(order) // _BATCH)
        sums = [np.zeros(each.shape, np.float64) for each in moving]
        momenta = [layer.momentum for layer in normalising]
        for layer in normalising:
            layer.momentum = 0.0  # "moving" averages become those of the batch
        for chosen in np.split(order[: batches * min(_BATCH, len(order))], batches):
            run(tf.constant(inputs[chosen]))
            for total, each in zip(sums, moving, strict=True):
                total += each.numpy()
        for layer, momentum in zip(normalising, momenta, strict=True):
            layer.momentum = momentum
        for total, each in zip(sums, moving, strict=True):
            each.assign(np.asarray(total / batches, np.float32))

    return renew
