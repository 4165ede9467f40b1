"""A program whose layers run in another order than the file's computes what the file says."""

import numpy as np

from harness.compiler import read_program
from harness.oracle import Oracle
from tests.support.exactness import check
from tests.support.strategies import Case
from tests.support.tflite_builder import ModelBuilder, Q


def branches(random):
    """Two branches that widen and narrow again; the file runs both wide layers before the narrow ones."""
    b = ModelBuilder()
    x = b.input((1, 6, 6, 2), Q(0.05, 3))
    weights = [random.integers(-127, 128, (24, 3, 3, 2), dtype=np.int8) for _ in range(2)]
    wide = [b.conv_2d(x, w, [0.01], np.arange(24), Q(0.2, -5)) for w in weights]
    narrow = [b.mean(y, (1, 2), Q(0.1, 1)) for y in wide]
    return b.build(b.add(*narrow, Q(0.2, 0)))


def test_layers_in_another_order_are_exact(tmp_path):
    random = np.random.default_rng(0)
    model = branches(random)
    (tmp_path / "net.tflite").write_bytes(model)
    program = read_program(tmp_path / "net.tflite")
    assert program.memory.order == (0, 2, 1, 3, 4)
    assert [layer.index for layer in program.layers] == [0, 1, 2, 3, 4]
    assert [layer.op for layer in program.layers] == ["CONV_2D", "MEAN", "CONV_2D", "MEAN", "ADD"]
    inputs = (random.integers(-128, 128, (4, 1, 6, 6, 2), dtype=np.int8),)
    with Oracle() as oracle:
        check([Case(model, inputs, "branches")], tmp_path / "c", oracle)
