"""Keras on TensorFlow, quiet; the recipes of the repository."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data() -> Path:
    """Return the data folder; tests that need it are not run where there is none."""
    folder = os.environ.get("HARNESS_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HARNESS_DATA names no folder")
    return Path(folder)


@pytest.fixture
def recipes() -> Path:
    return ROOT / "recipes"
