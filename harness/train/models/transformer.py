"""Keyword Transformer (Berg, O'Connor, Cruz: "Keyword Transformer", arXiv:2104.00769): a teacher, not for boards."""

from collections.abc import Callable

import keras
from keras import layers

#: Spread of the learned positions at the start, as in the Vision Transformer (Dosovitskiy et al., arXiv:2010.11929).
_POSITIONS = 0.02


def transformer(
    shape: tuple[int, ...],
    classes: int,
    *,
    patch: int = 2,
    width: int = 64,
    heads: int = 2,
    hidden: int = 128,
    blocks: int = 5,
    norm: str = "post",
    pool: str = "mean",
    dropout: float = 0.1,
) -> keras.Model:
    """Return a Transformer encoder over time. The default sizes take 9.8 M MACs on 98x40 inputs.

    A token is a patch of `patch` frames with all their columns, embedded by one matrix, plus what is learned for its
    place. The paper's KWT-1 has patch 1, width 64, heads 1, hidden 256, blocks 12, pool "token", dropout 0.

    Args:
        shape: of one input: (frames, columns, 1); `patch` divides the frames.
        classes: number of logits.
        patch: frames of a token.
        width: of a token; `heads` divides it.
        heads: of each self-attention.
        hidden: units of each block's perceptron, with GELU between its two layers.
        blocks: self-attention and a perceptron, each beside a shortcut; the outputs (tokens, width) are layers
            `stage1`, `stage2` ...
        norm: "post", layer normalisation after each sum as in the paper, or "pre", before each branch and at the end.
        pool: "mean" of the tokens, or "token": one more, learned and the first, which alone the logits are made of, as
            in the paper.
        dropout: share of the items for which a branch is left out in training (stochastic depth: Huang et al.,
            arXiv:1603.09382), which costs less than dropping single values.

    Returns:
        A model from (batch, frames, columns, 1) to logits (batch, classes).

    Raises:
        ValueError: sizes do not divide, or `norm` or `pool` is none of the above.
    """
    _check(shape, patch, width, heads, norm, pool)
    inputs = keras.Input(shape)
    x = _embedded(inputs, patch, width, pool == "token")
    for number in range(1, blocks + 1):
        x = _beside(x, lambda y: layers.MultiHeadAttention(heads, width // heads)(y, y), norm, dropout)
        x = _beside(x, lambda y: _perceptron(y, hidden), norm, dropout, name=f"stage{number}")
    if norm == "pre":
        x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x if pool == "mean" else layers.Cropping1D((0, x.shape[1] - 1))(x))
    return keras.Model(inputs, layers.Dense(classes)(x), name="transformer")


def _embedded(inputs: keras.KerasTensor, patch: int, width: int, token: bool) -> keras.KerasTensor:
    """Return (tokens, width): the patches times a matrix, plus a bias for each place: the learned position.

    A token of its own is a patch of zeros before the others, so its bias is all that there is of it.
    """
    frames, columns, _ = inputs.shape[1:]
    x = layers.Reshape((frames // patch, patch * columns))(inputs)
    if token:
        x = layers.ZeroPadding1D((1, 0))(x)
    positions = keras.initializers.TruncatedNormal(stddev=_POSITIONS)
    return layers.EinsumDense(
        "btf,fw->btw", (x.shape[1], width), bias_axes="tw", bias_initializer=positions, name="embedding"
    )(x)


def _beside(
    x: keras.KerasTensor,
    branch: Callable[[keras.KerasTensor], keras.KerasTensor],
    norm: str,
    dropout: float,
    name: str | None = None,
) -> keras.KerasTensor:
    """Return a branch's outputs added to its inputs, normalised; the last layer is called `name`."""
    left_out = layers.Dropout(dropout, noise_shape=(None, 1, 1))
    if norm == "pre":
        y = left_out(branch(layers.LayerNormalization(epsilon=1e-6)(x)))
        return layers.Add(name=name)([x, y])
    y = left_out(branch(x))
    return layers.LayerNormalization(epsilon=1e-6, name=name)(layers.Add()([x, y]))


def _perceptron(x: keras.KerasTensor, hidden: int) -> keras.KerasTensor:
    return layers.Dense(x.shape[-1])(layers.Dense(hidden, activation="gelu")(x))


def _check(shape: tuple[int, ...], patch: int, width: int, heads: int, norm: str, pool: str) -> None:
    """Refuse sizes that Keras would take for something else.

    Raises:
        ValueError: they do not go together.
    """
    for what, good, got in (
        ("inputs (frames, columns, 1)", len(shape) == 3 and shape[2] == 1, shape),
        (f"a patch that divides {shape[0]} frames", patch > 0 and shape[0] % patch == 0, patch),
        (f"heads that divide the width {width}", heads > 0 and width % heads == 0, heads),
        ("norm post or pre", norm in ("post", "pre"), norm),
        ("pool mean or token", pool in ("mean", "token"), pool),
    ):
        if not good:
            raise ValueError(f"expected {what}, got {got!r}")
