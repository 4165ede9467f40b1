"""The passes keep the bytes, and do what they are for."""

import numpy as np
import pytest

from harness.compiler import read_program
from harness.compiler.passes.fuse_activations import CLAMPING
from harness.oracle import Oracle
from tests.support.exactness import check
from tests.support.strategies import Case
from tests.support.tflite_builder import ModelBuilder, Q


def program(model, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(model)
    return read_program(path)


def layer(b, op, x, q):
    """Add `op` with output quantisation `q` where it has one of its own."""
    rng = np.random.default_rng(3)
    channels = b.shape(x)[3]
    if op == "CONV_2D":
        return b.conv_2d(
            x, rng.integers(-127, 128, (3, 2, 2, channels), dtype=np.int8), [0.01], rng.integers(-9, 9, 3), q
        )
    if op == "DEPTHWISE_CONV_2D":
        return b.depthwise_conv_2d(x, rng.integers(-127, 128, (1, 2, 2, channels), dtype=np.int8), [0.02], None, q)
    if op == "FULLY_CONNECTED":
        depth = int(np.prod(b.shape(x)))
        return b.fully_connected(x, rng.integers(-127, 128, (5, depth), dtype=np.int8), [0.01], None, q)
    return b.add(x, x, q) if op == "ADD" else b.pool_2d(x, op, (2, 2))


def case(op, activation, q, out, *, kept=False):
    """Make a model of a layer and an activation behind it; `kept`: the layer's own output is an output too."""
    b = ModelBuilder()
    x = b.input((1, 4, 4, 3), q)
    y = layer(b, op, x, q)
    z = b.relu(y, out, activation)
    batch = np.random.default_rng(4).integers(-128, 128, (6, 1, 4, 4, 3), dtype=np.int8)
    batch[0], batch[1] = -128, 127
    return Case(b.build(z, *([y] if kept else [])), (batch,), f"{op} {activation} {q} {out} {kept}")


@pytest.mark.parametrize("op", CLAMPING)
def test_a_fused_activation_keeps_the_bytes(op, tmp_path):
    q = Q(0.1, -20)
    cases = [case(op, activation, q, q, kept=kept) for activation in ("RELU", "RELU6") for kept in (False, True)]
    cases += [case(op, "RELU", q, Q(0.07, 5)), case(op, "RELU6", Q(0.1, 127), Q(0.1, 127))]
    layers = [len(program(c.model, tmp_path).layers) for c in cases]
    assert layers == [1, 2, 1, 2, 2, 1]  # fused only where nobody else reads the layer and the scale stays
    with Oracle() as oracle:
        check(cases, tmp_path, oracle)


def test_an_activation_behind_a_fused_activation_stays(tmp_path):
    q = Q(0.1, -20)
    b = ModelBuilder()
    x = b.input((1, 4, 4, 3), q)
    y = b.conv_2d(x, np.ones((2, 1, 1, 3), np.int8), [0.01], None, q, activation="RELU6")
    z = b.relu(y, q)
    batch = np.random.default_rng(4).integers(-128, 128, (6, 1, 4, 4, 3), dtype=np.int8)
    with Oracle() as oracle:
        check([Case(b.build(z), (batch,), "RELU behind RELU6")], tmp_path, oracle)


def test_reshapes_cost_nothing_wherever_they_stand(tmp_path):
    q = Q(0.1, 3)
    b = ModelBuilder()
    x = b.input((1, 4, 3), q)
    first = b.reshape(x, (1, 2, 2, 3))  # of an input
    relu = b.relu(first, q)
    one, two = b.reshape(relu, (4, 3)), b.reshape(relu, (12,))  # two of one tensor
    again = b.reshape(one, (1, 12))  # of a reshape
    total = b.add(two, b.relu(two, q), q)
    last = b.reshape(total, (3, 4))  # an output
    batch = np.random.default_rng(4).integers(-128, 128, (6, 1, 4, 3), dtype=np.int8)
    model = b.build(last, again)
    planned = program(model, tmp_path)
    assert [layer.op for layer in planned.layers] == ["RELU", "RELU", "ADD"]
    with Oracle() as oracle:
        check([Case(model, (batch,), "reshapes")], tmp_path, oracle)


def test_an_input_that_is_an_output_through_a_reshape(tmp_path):
    q = Q(0.1, 3)
    b = ModelBuilder()
    x = b.input((1, 4), q)
    model = b.build(b.relu(x, q), b.reshape(x, (4, 1)))
    batch = np.random.default_rng(4).integers(-128, 128, (6, 1, 4), dtype=np.int8)
    with Oracle() as oracle:
        check([Case(model, (batch,), "input as output")], tmp_path, oracle)
