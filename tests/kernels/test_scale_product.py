"""Input scale times weight scale is a product in double, as TensorFlow Lite Micro makes it, not in float32.

The two differ by 6e-8 at most, which random accumulators hardly ever show (one output byte in 100,000). So the weights
are chosen to give accumulators on which the two would round to different bytes.
"""

import numpy as np
import pytest

from harness.compiler.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier
from harness.oracle import Oracle
from tests.support.exactness import check
from tests.support.strategies import Case
from tests.support.tflite_builder import ModelBuilder, Q

WIDE = 640  # inputs of 255 above the zero point; one more of 1: together they reach every accumulator needed
IN, WEIGHT = (float(np.float32(scale)) for scale in (0.3711, 0.0317))
OUT = float(np.float32(IN * WEIGHT * 15e6 / 127))


def output(accumulator: int, product: float) -> int:
    return max(-128, min(127, multiply_by_quantized_multiplier(accumulator, *quantize_multiplier(product / OUT))))


def deciding_accumulators() -> list[int]:
    """Return accumulators, one near each step of the output, for which the two products give different bytes."""
    double, single = IN * WEIGHT, float(np.float32(IN) * np.float32(WEIGHT))
    near = (round((step + 0.5) * OUT / double) + d for step in range(-120, 120) for d in (-1, 0, 1))
    return [a for a in near if output(a, double) != output(a, single)]


def row(accumulator: int) -> np.ndarray:
    """Return int8 weights whose product with the input is `accumulator`."""
    wide, last = divmod(accumulator + 127, 255)
    each, more = divmod(wide, WIDE)
    return np.array([each + 1] * more + [each] * (WIDE - more) + [last - 127], np.int8)


def model(op: str, weights: np.ndarray, scales: list[float]) -> tuple[bytes, tuple[int, ...]]:
    b, (channels, depth), target = ModelBuilder(), weights.shape, Q(OUT, 0)
    if op == "FULLY_CONNECTED":
        x = b.input((1, depth), Q(IN, -128))
        y = b.fully_connected(x, weights, scales, None, target)
    elif op == "CONV_2D":
        x = b.input((1, 1, 1, depth), Q(IN, -128))
        y = b.conv_2d(x, weights.reshape(channels, 1, 1, depth), scales, None, target)
    else:
        x = b.input((1, 1, depth, 1), Q(IN, -128))
        taps = np.ascontiguousarray(weights.T).reshape(1, 1, depth, channels)
        y = b.depthwise_conv_2d(x, taps, scales, None, target, padding="VALID")
    return b.build(y), b.shape(x)


@pytest.mark.parametrize("op", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_the_product_of_scales_is_made_in_double(op, tmp_path):
    accumulators = deciding_accumulators()
    assert len(accumulators) >= 10, "the scales no longer tell the two products apart: choose others"
    weights = np.stack([row(a) for a in accumulators])
    values = np.array([127] * WIDE + [-127], np.int8)
    assert ((values.astype(int) + 128) @ weights.T.astype(int)).tolist() == accumulators
    cases = []
    for scales in ([WEIGHT], [WEIGHT] * len(accumulators)):
        content, shape = model(op, weights, scales)
        cases.append(Case(content, (values.reshape(1, *shape),), f"{op}, {len(scales)} scales"))
    with Oracle() as oracle:
        check(cases, tmp_path, oracle)
