"""The four models of MLPerf Tiny, built for this machine, on a few inputs each."""

import numpy as np
import pytest

from harness.oracle import Oracle
from tests.support.data import MLPERF, mlperf_model
from tests.support.exactness import check
from tests.support.strategies import Case

# ad01 takes a millisecond and its last layer has the widest range: rare roundings show here first.
SAMPLES = {"ad01_int8": 2000}
SHAPES = dict(zip(MLPERF, ((1, 640), (1, 49, 10, 1), (1, 32, 32, 3), (1, 96, 96, 3)), strict=True))


@pytest.mark.slow
def test_mlperf_models_are_exact_on_random_and_extreme_inputs(tmp_path):
    cases = []
    for name in MLPERF:
        batch = np.random.default_rng(0).integers(-128, 128, (SAMPLES.get(name, 5), *SHAPES[name]), dtype=np.int8)
        batch[0], batch[1] = -128, 127
        cases.append(Case(mlperf_model(name).read_bytes(), (batch,), name))
    with Oracle() as oracle:
        check(cases, tmp_path, oracle)
