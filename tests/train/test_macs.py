"""Multiply-accumulates of single operators; whole models: test_models.py and test_across.py."""

import numpy as np
import pytest

from harness.train.macs import macs_of


@pytest.mark.parametrize(
    ("op", "inputs", "output", "macs"),
    [
        ("CONV_2D", [(1, 49, 10, 3), (64, 10, 4, 3), (64,)], (1, 25, 5, 64), 25 * 5 * 64 * 10 * 4 * 3),
        ("DEPTHWISE_CONV_2D", [(1, 25, 5, 64), (1, 3, 5, 64), (64,)], (1, 25, 5, 64), 25 * 5 * 64 * 3 * 5),
        ("FULLY_CONNECTED", [(1, 64), (12, 64), (12,)], (1, 12), 12 * 64),
        ("FULLY_CONNECTED", [(1, 49, 64), (128, 64)], (1, 49, 128), 49 * 128 * 64),
        ("BATCH_MATMUL", [(1, 2, 49, 32), (1, 2, 32, 20)], (1, 2, 49, 20), 2 * 49 * 20 * 32),
        ("BATCH_MATMUL", [(1, 2, 32, 49), (1, 2, 20, 32)], (1, 2, 49, 20), 2 * 49 * 20 * 32),  # both transposed
        ("ADD", [(1, 25, 5, 64), (1, 25, 5, 64)], (1, 25, 5, 64), 0),
        ("SOFTMAX", [(1, 12)], (1, 12), 0),
    ],
)
def test_an_operator_costs_what_its_loops_do(
    op: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], macs: int
) -> None:
    assert macs_of(op, [np.array(shape) for shape in inputs], np.array(output)) == macs
