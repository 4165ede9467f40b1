"""Gram matrices (Yim et al., "A Gift from Knowledge Distillation", CVPR 2017: the flow of solution procedure, FSP)."""

from itertools import pairwise
from typing import Any

import keras
import tensorflow as tf

from harness.errors import UserError
from harness.train.distill.maps import resized, standardised
from harness.train.distill.method import Answers, LayerMethod, Moment, Shapes


class Gram(LayerMethod):
    """How far apart the Gram matrices of neighbouring layers are: how a network goes from one layer to the next.

    G[i, j] is the mean over all positions of (channel i of a layer) x (channel j of the next one), an item a matrix
    (equation 1 of the paper). The term is the mean of (G of the student - G of the teacher)^2; it takes two pairs of
    layers or more. The larger maps of two neighbours are resized to the smaller ones, all maps are standardised over
    the batch first, and a student of other channels gets a 1x1 convolution to the teacher's, which is not exported.
    """

    def build(self, student: keras.Model, mine: Shapes, theirs: Shapes) -> None:
        """Make the 1x1 convolutions where channels differ.

        Raises:
            UserError: there is one pair of layers alone, or a layer has no maps.
        """
        if len(self.student_layers) < 2:
            raise UserError("expected two layers or more for distill.gram.student and teacher, got one")
        self._adapters: list[Any] = []
        for ours, wanted in zip(self.student_layers, self.teacher_layers, strict=True):
            shape, channels = self.maps_of(mine, ours, "student"), self.maps_of(theirs, wanted, "teacher")[2]
            adapter = keras.layers.Conv2D(channels, 1, use_bias=False) if shape[2] != channels else None
            if adapter is not None:
                adapter.build((None, *shape))
            self._adapters.append(adapter)
        self.variables = [v for each in self._adapters if each is not None for v in each.trainable_variables]

    def compute_loss(self, teacher: Answers, student: Answers, *, moment: Moment) -> Any:
        """Return the term."""
        ours, wanted = zip(*self.pairs(teacher, student), strict=True)
        adapted = [each(maps) if each is not None else maps for each, maps in zip(self._adapters, ours, strict=True)]
        errors = [
            tf.reduce_mean(tf.square(mine - theirs)) for mine, theirs in zip(_flow(adapted), _flow(wanted), strict=True)
        ]
        return tf.add_n(errors) / len(errors)


def _flow(layers: Any) -> list[Any]:
    """Return the Gram matrices (batch, channels, channels) from each layer to the next."""
    even = [standardised(maps) for maps in layers]
    return [_gram(first, second) for first, second in pairwise(even)]


def _gram(first: Any, second: Any) -> Any:
    """Return the Gram matrix of two layers' maps."""
    if first.shape[1] * first.shape[2] > second.shape[1] * second.shape[2]:
        first = resized(first, second)
    else:
        second = resized(second, first)
    return tf.einsum("bhwi,bhwj->bij", first, second) / (first.shape[1] * first.shape[2])
