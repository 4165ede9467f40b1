"""Metrics against their definitions, item by item."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.metrics import confusion_matrix, predictions, top1

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50)


def test_the_first_of_equals_wins() -> None:
    assert predictions(np.array([[1, 5, 5], [7, 7, 7]], np.int8)).tolist() == [1, 0]


@given(PAIRS)
def test_counts_are_those_of_a_loop(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    matrix = confusion_matrix(predicted, labels, 4)
    for true in range(4):
        for said in range(4):
            assert matrix[true, said] == pairs.count((true, said))
    assert top1(predicted, labels) == pytest.approx(100 * sum(a == b for a, b in pairs) / len(pairs))
