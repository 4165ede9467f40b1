import json
from pathlib import Path

import pytest

from tests.command import assert_failed, harness
from tests.flows.models import small_model
from tests.support.data import mlperf_model


def test_random_inputs_have_no_accuracy(tmp_path: Path) -> None:
    assert_failed(harness("evaluate", small_model(tmp_path)), 2, "small", "--data")


@pytest.mark.slow
def test_the_reference_model_has_901_right() -> None:
    result = harness("evaluate", mlperf_model("kws_ref_model"), "--data", "kws01", "--json")
    document = json.loads(result.stdout)
    [row] = document["rows"]
    assert (row["where"], row["engine"], row["board"], row["accuracy"]) == ("host", "tflm", None, 90.1)
    assert (row["macs"], row["samples"], row["dataset"]) == (2_656_768, 1000, "kws01")
    labels, matrix = document["confusion"]["labels"], document["confusion"]["matrix"]
    assert len(labels) == len(matrix) == 12
    assert sum(map(sum, matrix)) == 1000
    assert sum(matrix[i][i] for i in range(12)) == 901


@pytest.mark.slow
def test_recall_is_printed_for_every_class() -> None:
    result = harness("evaluate", mlperf_model("kws_ref_model"), "--data", "kws01")
    for word in ("yes", "silence", "unknown", "90.1 %"):
        assert word in result.stdout


def test_an_unknown_split_names_the_known(tmp_path: Path) -> None:
    assert_failed(harness("evaluate", small_model(tmp_path), "--split", "moon"), 2, "'moon'", "test")
