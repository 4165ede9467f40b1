"""The data folder that HARNESS_DATA names: MLPerf Tiny's models and inputs, CIFAR-10's test pictures."""

import os
from pathlib import Path

import pytest

MLPERF = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8")


def data_folder() -> Path:
    """Return the data folder; without HARNESS_DATA a test cannot run and says so, with a wrong one it fails."""
    folder = os.environ.get("HARNESS_DATA")
    if not folder:
        pytest.skip("set HARNESS_DATA to the data folder")
    assert Path(folder).is_dir(), f"HARNESS_DATA names {folder}, which is no folder"
    return Path(folder)


def mlperf_model(name: str) -> Path:
    """Return the path of one of `MLPERF`."""
    return data_folder() / "mlperf_tiny" / "models" / f"{name}.tflite"
