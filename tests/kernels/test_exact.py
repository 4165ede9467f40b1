"""Every operator against TensorFlow Lite Micro, over shapes and quantisations that hypothesis chooses.

Deeper: HYPOTHESIS_PROFILE=deep python -m pytest tests/kernels
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.oracle import Oracle
from tests.support.exactness import check
from tests.support.profiles import examples, seconds_limit
from tests.support.strategies import STRATEGIES

MODELS_A_BUILD = 8
BUILDS = {"conv_2d": 10, "depthwise_conv_2d": 10, "graphs": 8}


@pytest.fixture(scope="module")
def oracle():
    with Oracle() as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(seconds_limit(600))
@pytest.mark.parametrize("name", STRATEGIES)
def test_equals_the_oracle_in_every_byte(name, oracle):
    @examples(BUILDS.get(name, 5))
    @given(st.lists(STRATEGIES[name], min_size=MODELS_A_BUILD, max_size=MODELS_A_BUILD))
    def property_holds(cases):
        with tempfile.TemporaryDirectory() as folder:
            check(cases, Path(folder), oracle)

    property_holds()
