"""Keras on TensorFlow, quiet; the recipes of the repository."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipes() -> Path:
    return ROOT / "recipes"
