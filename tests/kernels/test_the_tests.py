"""The tests of this folder can fail: a bug planted in a copied kernel header or in model.c is seen."""

import numpy as np
import pytest

from harness.oracle import Oracle
from tests.support.exactness import compile_all, mismatches
from tests.support.host_build import build
from tests.support.strategies import Case
from tests.support.tflite_builder import ModelBuilder, Q


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    x = b.input((1, 6, 6, 3), Q(0.05, -7))
    weights = rng.integers(-127, 128, (4, 3, 3, 3), dtype=np.int8)
    y = b.conv_2d(x, weights, [0.01], rng.integers(-900, 900, 4), Q(0.3, 3))
    batch = rng.integers(-128, 128, (20, 1, 6, 6, 3), dtype=np.int8)
    return Case(b.build(y), (batch,), "a convolution with SAME padding")


PLANTED = {
    "rounding": ("requantize.h", "(exponent - 1)) + 1) >> 1", "(exponent - 1)) + 0) >> 1"),
    "zero point of the padding": ("conv_2d.h", "memset(patch, s->input_zero_point,", "memset(patch, 0,"),
    "one row too many": ("conv_2d.h", "y < s->in_h &&", "y <= s->in_h &&"),
    "one channel too few": ("conv_2d.h", "s->in_c);\n            else", "s->in_c - 1);\n            else"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_seen(name, case, tmp_path):
    header, good, bad = PLANTED[name]
    descriptions = compile_all([case.model], tmp_path)
    with Oracle() as oracle:
        assert mismatches(build(tmp_path, descriptions), "m0", case, oracle) is None
        path = tmp_path / "kernels" / header
        text = path.read_text()
        assert good in text, "the header changed: plant the bug elsewhere"
        path.write_text(text.replace(good, bad))
        assert mismatches(build(tmp_path, descriptions), "m0", case, oracle) is not None


def test_a_write_outside_the_arena_is_seen(case, tmp_path):
    descriptions = compile_all([case.model], tmp_path)
    path = tmp_path / "m0.c"
    text = path.read_text()
    size = f"m0_arena[{descriptions['m0']['ram_arena_bytes']}]"
    assert size in text
    path.write_text(text.replace(size, "m0_arena[128]"))
    with Oracle() as oracle, pytest.raises(AssertionError, match=r"AddressSanitizer|runtime error"):
        mismatches(build(tmp_path, descriptions), "m0", case, oracle)
