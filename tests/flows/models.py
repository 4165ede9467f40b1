"""Small models, made here, that build in a second."""

from pathlib import Path

import numpy as np

from tests.support.tflite_builder import ModelBuilder, Q


def small_model(folder: Path, name: str = "small", *, inputs: int = 32, seed: int = 0) -> Path:
    """Write a fully connected model with a softmax to `folder` and return its path."""
    random = np.random.default_rng(seed)
    builder = ModelBuilder()
    x = builder.input((1, inputs), Q(0.05, 3))
    weights = random.integers(-127, 128, (5, inputs), dtype=np.int8)
    bias = random.integers(-1000, 1000, 5, dtype=np.int32)
    y = builder.softmax(builder.fully_connected(x, weights, [0.01], bias, Q(0.1, -4)))
    path = folder / f"{name}.tflite"
    path.write_bytes(builder.build(y))
    return path
